"""Whoever watches a run, through whatever stands between."""

from typing import Any
from unittest.mock import Mock, call

import pytest

from pipeline.reporting.observer import Observer, Several, ShardCommit, Silent, StageLoad
from pipeline.reporting.totals import Counting, Totals
from tests.pipeline.made_run import Lease, receipt, summary

HEARD: dict[str, tuple[Any, ...]] = {
    "started": ("r", "classic", Lease()),
    "phase": ("reading", "all of it"),
    "planned": ("p", 1, 2),
    "chunk_done": (receipt(), 1),
    "shard_committed": (ShardCommit("p", 0, 1, 1, 1, 0.5),),
    "message": ("a sentence",),
    "stages": ([StageLoad("read", 1, 0)],),
    "ended": (summary(),),
    "failed": (ValueError("why"),),
}


def test_there_is_an_example_of_all_that_is_heard() -> None:
    assert HEARD.keys() == {name for name in vars(Observer) if not name.startswith("_")}


@pytest.mark.parametrize("name", HEARD)
def test_each_of_several_hears_everything(name: str) -> None:
    one, other = Mock(spec=Silent), Mock(spec=Silent)

    getattr(Counting(Several(one, other), Totals()), name)(*HEARD[name])

    assert one.method_calls == other.method_calls == [getattr(call, name)(*HEARD[name])]
