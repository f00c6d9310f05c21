"""A store that is away at the start is asked again, and then it is "not now": no operator's mistake."""

import os

import pytest

from pipeline.object_store.patience import patiently
from pipeline.object_store.store import StoreError, StoreUnavailable
from pipeline.preview import plan
from pipeline.reporting.observer import Silent
from pipeline.runner import run
from schemas.errors import exit_code
from schemas.settings import Settings
from tests.servers.s3_proxy import Fault, Proxy
from workers.sources.listing import InputUnavailable

TRIES = 3
SETTINGS = Settings.model_validate({"engine": {"name": "scripted"}, "fetch": {"max_tries": TRIES}, "input": {"allow_empty": True}})


class Heard(Silent):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.mark.slow
def test_a_run_waits_for_a_store_that_comes_back(bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    s3_faults.faults.append(Fault("GET", "", "status", times=2 * TRIES, status=503))  # two of our tries, each with botocore's
    heard = Heard()
    assert run(f"s3://{bucket}/in", f"s3://{bucket}/out", SETTINGS, observer=heard).status == "nothing_to_do"
    assert [text.endswith("Trying again.") for text in heard.messages[:2]] == [True, True]
    assert "is not available now" in heard.messages[0]


@pytest.mark.parametrize("look", [run, plan])
@pytest.mark.parametrize("place", ["in", "out"])
@pytest.mark.slow
def test_a_store_that_stays_away_is_not_now(bucket: str, s3_faults: Proxy, no_sleep: None, look, place: str, tmp_path) -> None:
    s3_faults.faults.append(Fault("GET", "", "status", times=9999, status=500, code="InternalError"))
    (tmp_path / "in").mkdir()
    input, output = str(tmp_path / "in"), str(tmp_path / "out")
    with pytest.raises((StoreUnavailable, InputUnavailable)) as caught:
        look(f"s3://{bucket}/in" if place == "in" else input, f"s3://{bucket}/out" if place == "out" else output, SETTINGS)
    assert exit_code(caught.value) == 1
    assert s3_faults.num("GET") == TRIES * TRIES
    assert not os.path.exists(output)


def test_a_mistake_is_not_tried_again() -> None:
    tried = []

    def step() -> None:
        tried.append(1)
        raise StoreError("no such bucket")

    with pytest.raises(StoreError, match="no such bucket"):
        patiently(step, max_tries=5, say=tried.append)  # type: ignore[arg-type]
    assert tried == [1]
