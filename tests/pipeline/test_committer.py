"""Shards wait their turn to be compacted. Without Ray: its tasks are stood in for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import execute
from pipeline.commit import Compacted, ShardProgress
from pipeline.execute import _Committer
from pipeline.ledger import list_manifests
from pipeline.store import open_store
from schemas.settings import Settings
from tests.pipeline.made import make_plan, planned


class FakeRay:
    """Tasks that are done as soon as they are asked for; counts how many were out at once."""

    def __init__(self) -> None:
        self.out: list[object] = []
        self.most = 0

    def remote(self, **_: Any) -> Any:
        return lambda function: SimpleNamespace(remote=self.start)

    def start(self, *arguments: object) -> object:
        task = object()
        self.out.append(task)
        self.most = max(self.most, len(self.out))
        return task

    def wait(self, tasks: list[object], num_returns: int, timeout: float) -> tuple[list[object], list[object]]:
        return tasks[:num_returns], tasks[num_returns:]

    def get(self, task: object) -> tuple[Compacted, float]:
        self.out.remove(task)
        return Compacted([], []), 0.5


def test_a_hundred_shards_that_wait_are_compacted_two_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ray = FakeRay()
    monkeypatch.setattr(execute, "ray", ray)
    plan = make_plan([[planned(f"{index}.pdf")] for index in range(100)])
    store = open_store(str(tmp_path))

    with _Committer(plan, store, Settings(), "r1", lambda: None) as committer:
        for index in range(100):
            committer.start(ShardProgress(plan, index))
        committed = []
        while committer.is_busy:
            committed += [index for index, compact_s in committer.finished(0) if compact_s == 0.5]

    assert committed == list(range(100))
    assert len(list_manifests(store)) == 100
    assert ray.most == 2
