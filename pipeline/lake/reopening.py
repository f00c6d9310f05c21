"""Staged chunks are deleted, so that their pages are open again, after the breaker has found a bug that hits every page."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from pipeline.lake.paths import staged_path
from pipeline.lake.shard_progress import ShardProgress, list_staged
from pipeline.lake.staging import decode
from pipeline.object_store.store import Store
from schemas.failure import FailureKind
from schemas.plan import Plan


def reopen(store: Store, plan: Plan, streak: Iterable[tuple[str, int, str]], progress: Mapping[int, ShardProgress]) -> None:
    """Deletes the chunks of the streak, and chunks that were in flight at its end and hold nothing but bugs. What was read stays.

    Call it after the stream has ended, because it does not see what is staged later.
    """
    store.delete([*(staged_path(*chunk) for chunk in streak), *_broken_since(store, plan, progress)])


def _broken_since(store: Store, plan: Plan, progress: Mapping[int, ShardProgress]) -> Iterator[str]:
    """Paths of chunks whose receipt never came and that hold nothing but bugs."""
    for index, shard in progress.items():
        if shard.is_committed:
            continue
        known = shard.all_staged()
        for name in list_staged(store, plan, index):
            path = staged_path(plan.plan_id, index, str(name))
            if name not in known and _is_broken(store, path):
                yield path


def _is_broken(store: Store, path: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        tables = decode(store.get(path)).tables
        statuses = {*tables["pages"]["status"].to_pylist(), *tables["charts"]["status"].to_pylist()}
        return FailureKind.internal_error in tables["failures"]["kind"].to_pylist() and not statuses & {"ok", "partial"}
    return False
