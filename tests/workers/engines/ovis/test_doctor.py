import shutil

from schemas.settings import EngineSettings, OvisSettings
from workers.engines.ovis import doctor


def settings(model, **ovis):
    return EngineSettings(name="ovis", model=str(model), ovis=OvisSettings(device="cpu", **ovis))


def test_a_good_checkpoint_passes_every_check(checkpoint):
    checks = doctor.checks(settings(checkpoint))
    assert [name for name, ok, _ in checks if not ok] == []
    said = {name: detail for name, _, detail in checks}
    # 2 layers x 2 heads x 24 x 4 bytes x keys and values
    assert said["cache"].startswith("1 KiB a token")
    assert "language model 2 x 64, vision 2 x 48" in said["model"]


def test_what_is_wrong_is_named(checkpoint, tmp_path, monkeypatch):
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    (folder / "merges.txt").unlink()
    failed = {name: detail for name, ok, detail in doctor.checks(settings(folder)) if not ok}
    assert failed.keys() == {"model"}
    assert "merges.txt" in failed["model"]

    monkeypatch.setitem(doctor.MINIMUM, "torch", (99, 0))
    failed = {name: detail for name, ok, detail in doctor.checks(settings(checkpoint)) if not ok}
    assert failed["torch"].endswith("but 99.0 or later is needed")
