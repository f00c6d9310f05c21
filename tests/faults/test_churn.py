"""A folder changes while it is read. This is the short form of `python -m tests.faults.churn`, which also kills processes."""

import random
from typing import Any

import pytest

from pipeline.reporting.observer import Silent
from pipeline.runner import run
from schemas.receipt import Receipt
from schemas.settings import Settings
from tests.faults.churn import Drop, answers, differences


class Meddler(Silent):
    """An observer that changes the folder while it is read, and ends some of the runs."""

    def __init__(self, drop: Drop, dies_after: int) -> None:
        self._drop, self._left = drop, dies_after

    def planned(self, *_: object) -> None:
        for _ in range(2):
            self._drop.change()  # what was listed is overwritten, or gone

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt


def settings() -> Settings:
    stages: dict[str, Any] = {"engine": {"name": "scripted"}, "plan": {"chunk_pages": 2, "shard_sources": 3}}
    return Settings.model_validate(stages)


@pytest.mark.ray
@pytest.mark.slow
def test_after_changes_and_deaths_the_views_say_what_a_clean_run_says(ray_session: None, bucket: str) -> None:
    drop, dice = Drop(bucket, seed=4), random.Random(4)
    output, clean = f"s3://{bucket}/lake", f"s3://{bucket}/clean"
    for _ in range(4):
        for _ in range(4):
            drop.change()
        run(drop.uri, output, settings(), observer=Meddler(drop, dies_after=dice.choice([1, 3, 99])))
    for _ in range(5):
        if run(drop.uri, output, settings()).status == "nothing_to_do":
            break
    assert run(drop.uri, output, settings()).status == "nothing_to_do"

    assert run(drop.uri, clean, settings()).status == "finished"

    assert differences(clean, output) == []
    assert len(answers(clean)["pages"]) > 5
