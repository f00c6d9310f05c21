import shutil

import pytest

from schemas.settings import EngineSettings, OvisSettings
from workers.engines.ovis import doctor


def settings(model, revision=None, **ovis):
    return EngineSettings(name="ovis", model=str(model), revision=revision, ovis=OvisSettings(device="cpu", **ovis))


def test_a_good_checkpoint_passes_every_check(checkpoint):
    checks = doctor.checks(settings(checkpoint))
    assert [name for name, ok, _ in checks if not ok] == []
    said = {name: detail for name, _, detail in checks}
    # 2 layers x 2 heads x 24 x 4 bytes x keys and values
    assert said["cache"].startswith("1 KiB a token")
    assert "language model 2 x 64, vision 2 x 48" in said["model"]
    assert said["dtype"] == "float32"
    assert said["weights"].startswith("0.0 GB in float32, ")


def test_weights_that_do_not_fit_are_told_before_they_are_loaded(checkpoint, monkeypatch):
    from workers.engines.ovis.decoding import device

    monkeypatch.setattr(device, "available_memory", lambda: 100_000)
    failed = {name: detail for name, ok, detail in doctor.checks(settings(checkpoint)) if not ok}
    assert failed.keys() == {"weights"}
    assert failed["weights"].endswith("they do not fit")


def test_a_gpu_that_is_asked_for_and_not_seen_is_a_fault_here_and_not_on_a_clusters_head(checkpoint, monkeypatch):
    from torch import cuda

    monkeypatch.setattr(cuda, "is_available", lambda: False)
    asked = EngineSettings(name="ovis", model=str(checkpoint), num_gpus=1)
    failed = {name: detail for name, ok, detail in doctor.checks(asked) if not ok}
    assert failed["device"] == "engine.num_gpus is 1, but torch sees no CUDA device here."

    said = doctor.checks(asked, runs_here=False)
    assert [name for name, ok, _ in said if not ok] == []
    assert ("dtype", True, "bfloat16") in said


def test_a_gpu_is_told_with_what_will_be_tried_on_it(checkpoint, monkeypatch):
    from torch import cuda

    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "mem_get_info", lambda device: (70 * 2**30, 80 * 2**30))
    monkeypatch.setattr(cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(cuda, "get_device_name", lambda device: "A card")

    def said(**given):
        on_gpu = EngineSettings(name="ovis", model=str(checkpoint), ovis=OvisSettings(device="cuda", **given))
        return {name: detail for name, ok, detail in doctor.checks(on_gpu) if ok}

    assert said()["device"] == "A card, compute capability 9.0"
    assert said()["attention"].startswith("SDPA, varlen, ")
    assert said()["decode steps"] == "CUDA graphs, where they measure faster"
    assert said(decode_graphs=False)["decode steps"] == "not recorded, as set"
    assert said(attention="reference")["attention"] == "the references in SDPA, as set"


@pytest.mark.parametrize(
    ("here", "compiler", "expected"),
    [
        ({"gcc"}, None, None),
        ({"clang"}, None, None),
        (set(), None, "there is no C compiler"),
        ({"gcc"}, "icc", "CC names icc, which is not here"),
        ({"icc"}, "icc", None),
    ],
)
def test_what_triton_needs_to_start_a_kernel_is_looked_for(here, compiler, expected, monkeypatch, tmp_path):
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(doctor, "which", lambda name: f"/bin/{name}" if name in here else None)
    monkeypatch.setattr(doctor.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    if compiler:
        monkeypatch.setenv("CC", compiler)
    found = doctor._lacks_compiler()
    assert (found is None) == (expected is None)
    assert expected is None or found.startswith(expected)
    (tmp_path / "Python.h").unlink()
    if expected is None:
        assert "headers" in doctor._lacks_compiler()


def test_a_model_of_the_hub_is_looked_for_on_this_machine_only(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    said = {name: detail for name, ok, detail in doctor.checks(settings("nobody/nothing", revision="a" * 40)) if ok}
    assert said["model"].endswith("not here yet; from the hub when a run starts")


def test_what_is_wrong_is_named(checkpoint, tmp_path, monkeypatch):
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    (folder / "merges.txt").unlink()
    failed = {name: detail for name, ok, detail in doctor.checks(settings(folder)) if not ok}
    assert failed.keys() == {"model"}
    assert "merges.txt" in failed["model"]

    monkeypatch.setitem(doctor.MINIMUM, "torch", (99, 0))
    failed = {name: detail for name, ok, detail in doctor.checks(settings(checkpoint)) if not ok}
    assert failed["torch"].endswith("but 99.0 or later is needed")
