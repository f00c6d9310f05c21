"""Checkpoints under an `s3://` prefix: known for what they are before any work, and one whole copy of them on each node."""

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

from schemas.settings import EngineSettings
from tests.workers.engines.ovis.tiny import make_checkpoint, save_weights
from workers.engines.ovis.checkpoint import bucket as in_bucket
from workers.engines.ovis.checkpoint.files import CheckpointError, fingerprint
from workers.engines.ovis.checkpoint.locate import locate
from workers.engines.registry import describe_engine
from workers.sources.s3 import make_client as client

pytestmark = pytest.mark.slow


@pytest.fixture
def uri(checkpoint, bucket):
    """A checkpoint in a bucket, with what others put beside it."""
    upload(checkpoint, bucket)
    client().put_object(Bucket=bucket, Key="ovis/modeling_ovis2_5.py", Body=b"raise SystemExit")
    client().put_object(Bucket=bucket, Key="ovis/pytorch_model.bin", Body=b"pickle")
    client().put_object(Bucket=bucket, Key="ovis/onnx/model.safetensors", Body=b"another")
    return f"s3://{bucket}/ovis"


def upload(folder, bucket):
    for path in sorted(folder.iterdir()):
        client().upload_file(str(path), bucket, f"ovis/{path.name}")


def described(uri):
    return describe_engine(EngineSettings(name="ovis", model=uri)).options["checkpoint"]


def gone_from(uri, name):
    bucket = uri.split("/")[2]
    client().delete_object(Bucket=bucket, Key=f"ovis/{name}")


def test_it_is_fetched_once_and_whole_and_nothing_else_is(uri, checkpoint, tmp_path, monkeypatch):
    folder = locate(uri, cache_dir=tmp_path)
    assert fingerprint(folder) == fingerprint(checkpoint)
    assert {path.name for path in folder.iterdir()} == {path.name for path in checkpoint.iterdir()}

    monkeypatch.setattr(in_bucket, "_fetch", None)  # nothing may be fetched any more
    assert locate(f"{uri}/", cache_dir=tmp_path) == folder


def test_another_checkpoint_under_the_same_prefix_is_another_recipe_and_another_copy(uri, tmp_path):
    before, folder = described(uri), locate(uri, cache_dir=tmp_path)
    assert described(uri) == described(f"{uri}/") == before

    upload(make_checkpoint(tmp_path / "other", seed=5), uri.split("/")[2])

    assert described(uri) != before
    assert locate(uri, cache_dir=tmp_path) != folder


def test_a_reader_that_finds_another_checkpoint_than_was_planned_ends_the_run(uri, tmp_path):
    from pipeline.planning.engines import describe_engines
    from pipeline.planning.recipes import check_as_planned, make_recipes
    from schemas.settings import Settings
    from workers.engines.engine import EngineStartError

    given = Settings.model_validate({"engine": {"name": "ovis", "model": uri}})
    recipes = make_recipes(given, describe_engines(given.engine, ["ocr", "chart"]), ["ocr", "chart"])
    check_as_planned(describe_engine(given.engine.of("ocr")), recipes)

    upload(make_checkpoint(tmp_path / "other", seed=5), uri.split("/")[2])

    with pytest.raises(EngineStartError, match=r"`checkpoint` is .* the model has changed meanwhile"):
        check_as_planned(describe_engine(given.engine.of("ocr")), recipes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", r"has no config\.json"),
        ("preprocessor_config.json", r"has neither preprocessor_config\.json nor"),
        ("merges.txt", r"neither tokenizer\.json nor vocab\.json"),
        ("model.safetensors", r"neither model\.safetensors nor"),
    ],
)
def test_what_is_missing_is_told_before_any_work(uri, name, message):
    gone_from(uri, name)
    with pytest.raises(CheckpointError, match=message):
        described(uri)


def test_a_missing_shard_and_another_model_are_told_before_any_work(checkpoint, bucket, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "sharded")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_weights(folder, weights, num_shards=2)
    upload(folder, bucket)
    uri = f"s3://{bucket}/ovis"
    described(uri)

    gone_from(uri, "model-00002-of-00002.safetensors")
    with pytest.raises(CheckpointError, match="lacks model-00002-of-00002"):
        described(uri)

    client().put_object(Bucket=bucket, Key="ovis/config.json", Body=json.dumps({"model_type": "llava"}).encode())
    with pytest.raises(CheckpointError, match="'llava' model"):
        described(uri)


def test_a_prefix_with_nothing_in_it_and_a_bucket_that_is_not_are_one_sentence(bucket):
    for uri, message in ((f"s3://{bucket}/elsewhere", "no checkpoint under"), ("s3://no-such-bucket-1/ovis", "does not exist")):
        with pytest.raises(CheckpointError, match=message) as raised:
            described(uri)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("changed", ["vocab.json", "added_tokens.json"])  # fetched later, and fetched already
def test_a_checkpoint_that_changes_while_it_is_fetched_is_not_taken(changed, uri, tmp_path, monkeypatch):
    fetch = in_bucket._fetch

    def fetched_slowly(uri, file, part):
        if file.name == "config.json":
            client().put_object(Bucket=uri.split("/")[2], Key=f"ovis/{changed}", Body=b"{}")
        return fetch(uri, file, part)

    monkeypatch.setattr(in_bucket, "_fetch", fetched_slowly)
    with pytest.raises(CheckpointError, match="changed while it was fetched"):
        locate(uri, cache_dir=tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_written_is_one_sentence(uri, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot be kept in"):
        locate(uri, cache_dir=tmp_path / "file" / "cache")


def _fetch_and_die_at(uri: str, cache: Path, name: str) -> None:
    fetch = in_bucket._fetch

    def dies(uri, file, part):
        if file.name == name:
            (part / f"{name}.unfinished").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        return fetch(uri, file, part)

    in_bucket._fetch = dies
    locate(uri, cache_dir=cache)


def test_a_process_killed_while_it_fetches_leaves_nothing_that_could_be_taken_for_whole(uri, checkpoint, tmp_path, monkeypatch):
    spawn = multiprocessing.get_context("spawn")
    killed = spawn.Process(target=_fetch_and_die_at, args=(uri, tmp_path, "merges.txt"))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL

    downloads = []
    fetch = in_bucket._fetch

    def noted(uri, file, part):
        downloads.append((part / file.name).exists())
        return fetch(uri, file, part)

    monkeypatch.setattr(in_bucket, "_fetch", noted)
    folder = locate(uri, cache_dir=tmp_path)

    assert fingerprint(folder) == fingerprint(checkpoint)
    assert True in downloads  # what was whole before the kill was not fetched again
    assert False in downloads
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [folder.name]


def test_processes_of_one_node_share_one_copy(uri, checkpoint, tmp_path):
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(3) as pool:
        folders = pool.starmap(_located, [(uri, tmp_path)] * 6)
    assert len(set(folders)) == 1
    assert fingerprint(folders[0]) == fingerprint(checkpoint)


def _located(uri: str, cache: Path) -> Path:
    return locate(uri, cache_dir=cache)
