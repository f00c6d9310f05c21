"""What of a listing is taken: globs, age and markers."""

import os
import time
from pathlib import Path

import pytest

from pipeline.planning.intake import refuse_output_in_input, take
from schemas.errors import OperatorError
from schemas.settings import InputSettings
from tests.servers.s3_proxy import Fault, Proxy
from workers.sources.listing import InputUnavailable, list_sources
from workers.sources.s3 import make_client

NAMES = ["a.pdf", "a.tmp", "b/a.pdf", "b/c/d.pdf", "b/c/ü[1].PDF", "x y/e.pdf"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "in"


def taken(input: Path | str, **settings: object) -> list[str]:
    listing = list_sources(str(input))
    found = take(listing, InputSettings.model_validate(settings))
    return [listing.relative(source.uri) for source, left_out in found if left_out is None]


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        pytest.param("*.pdf", ["a.pdf", "b/a.pdf", "b/c/d.pdf", "x y/e.pdf"], id="without a slash: a name in any folder"),
        pytest.param("/*.pdf", ["a.pdf"], id="from the top"),
        pytest.param("b/*.pdf", ["b/a.pdf"], id="a star stays inside a folder"),
        pytest.param("b/**", ["b/a.pdf", "b/c/d.pdf", "b/c/ü[1].PDF"], id="two stars: all below"),
        pytest.param("**/c/*", ["b/c/d.pdf", "b/c/ü[1].PDF"], id="a folder anywhere"),
        pytest.param("**/a.pdf", ["a.pdf", "b/a.pdf"], id="anywhere is also the top"),
        pytest.param("b/**/d.pdf", ["b/c/d.pdf"], id="folders between, or none"),
        pytest.param("?.pdf", ["a.pdf", "b/a.pdf", "b/c/d.pdf", "x y/e.pdf"], id="one character"),
        pytest.param("[!a].pdf", ["b/c/d.pdf", "x y/e.pdf"], id="none of a class"),
        pytest.param("[ad].pdf", ["a.pdf", "b/a.pdf", "b/c/d.pdf"], id="one of a class"),
        pytest.param("ü[[]1].*", ["b/c/ü[1].PDF"], id="a bracket in a class, and case counts"),
        pytest.param("a.???", ["a.pdf", "a.tmp", "b/a.pdf"], id="a dot is a dot"),
        pytest.param("nothing", [], id="what fits nothing"),
    ],
)
def test_globs(folder: Path, glob: str, names: list[str]) -> None:
    assert taken(folder, include=[glob]) == names
    assert taken(folder, exclude=[glob]) == [name for name in NAMES if name not in names]


def test_what_is_excluded_is_so_whatever_includes_it(folder: Path) -> None:
    assert taken(folder, include=["b/**", "/a.*"], exclude=["*.tmp", "b/c/**"]) == ["a.pdf", "b/a.pdf"]


def test_an_input_of_one_file_is_matched_by_its_name(folder: Path) -> None:
    assert taken(folder / "b/a.pdf", include=["a.*"]) == ["a.pdf"]
    assert taken(folder / "b/a.pdf", exclude=["*.pdf"]) == []


def test_a_glob_that_cannot_be_read_is_the_operators_mistake(folder: Path) -> None:
    with pytest.raises(OperatorError, match="z-a"):
        taken(folder, include=["[z-a]"])


def test_objects_wait_for_their_age_by_the_stores_clock(bucket: str, folder: Path) -> None:
    make_client().put_object(Bucket=bucket, Key="new.pdf", Body=b"x")
    assert taken(f"s3://{bucket}", min_age_s=3600) == []
    assert taken(f"s3://{bucket}", min_age_s=0) == ["new.pdf"]
    then = time.time() - 7200
    os.utime(folder / "a.pdf", (then, then))
    assert taken(folder, min_age_s=3600) == ["a.pdf"]


def test_only_marked_folders_and_those_below_are_taken(folder: Path) -> None:
    assert taken(folder, marker="_SUCCESS") == []
    (folder / "b/c/_SUCCESS").touch()
    assert taken(folder, marker="_SUCCESS") == ["b/c/d.pdf", "b/c/ü[1].PDF"]
    (folder / "b/_SUCCESS").touch()
    assert taken(folder, marker="_SUCCESS") == ["b/a.pdf", "b/c/d.pdf", "b/c/ü[1].PDF"]
    (folder / "_SUCCESS").touch()
    assert taken(folder, marker="_SUCCESS") == NAMES


def test_a_marker_may_be_a_glob_and_is_never_taken_itself(folder: Path) -> None:
    (folder / "b/drop-7.manifest").write_text("{}")
    assert taken(folder, marker="*.manifest", include=["**"]) == ["b/a.pdf", "b/c/d.pdf", "b/c/ü[1].PDF"]


def test_a_marker_in_a_bucket_stands_before_or_behind_its_files(bucket: str) -> None:
    for key in ["in/A/x.pdf", "in/A/_SUCCESS", "in/b/_SUCCESS", "in/b/x.pdf", "in/c/x.pdf"]:
        make_client().put_object(Bucket=bucket, Key=key, Body=b"x")
    assert taken(f"s3://{bucket}/in", marker="_SUCCESS") == ["A/x.pdf", "b/x.pdf"]


def test_what_is_left_out_is_told_with_its_reason(folder: Path) -> None:
    (folder / "b/_SUCCESS").touch()
    found = take(list_sources(str(folder)), InputSettings(marker="_SUCCESS", exclude=["d.pdf"]))
    reasons = {source.uri.rpartition("/in/")[2]: left_out for source, left_out in found}
    assert reasons["a.pdf"] == "unmarked"
    assert reasons["b/_SUCCESS"] == "marker"
    assert reasons["b/c/d.pdf"] == "excluded"
    assert reasons["b/a.pdf"] is None


@pytest.mark.slow
def test_a_listing_that_breaks_off_is_an_error_not_a_short_one(bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    s3_faults.faults.append(Fault("GET", "", "status", times=99, status=500))
    with pytest.raises(InputUnavailable, match="the store is not available now"):
        list(take(list_sources(f"s3://{bucket}", max_tries=2), InputSettings()))


def test_a_listing_says_what_it_would_have_shown(bucket: str) -> None:
    make_client().put_object(Bucket=bucket, Key="in/a.pdf", Body=b"x")
    folder, file = list_sources(f"s3://{bucket}/in"), list_sources(f"s3://{bucket}/in/a.pdf")
    assert len(list(folder)) == len(list(file)) == 1
    assert folder.covers(f"s3://{bucket}/in/gone.pdf")
    assert not folder.covers(f"s3://{bucket}/input/x.pdf")
    assert not file.covers(f"s3://{bucket}/in/gone.pdf")
    assert file.covers(f"s3://{bucket}/in/a.pdf")


@pytest.mark.parametrize(
    ("input", "output"), [("/", "/any/out"), ("~/in", "HOME/in/out"), ("HOME", "~/out"), ("s3://b", "s3://b/out/")]
)
def test_an_output_inside_of_the_input_is_refused_however_the_two_are_written(
    monkeypatch, tmp_path, input: str, output: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(OperatorError, match="lies inside the input"):
        refuse_output_in_input(input.replace("HOME", str(tmp_path)), output.replace("HOME", str(tmp_path)))


@pytest.mark.parametrize(
    ("input", "output"), [("in", "in-out"), ("in/a", "in"), ("s3://b/in", "s3://b/in-out"), ("/", "s3://b/out")]
)
def test_an_output_beside_the_input_is_not_refused(input: str, output: str) -> None:
    refuse_output_in_input(input, output)
