"""The commit: once the files of documents are compacted, a manifest is created with If-None-Match, and the documents are final.

A shard is committed as a whole, or in parts while its last documents are still read. Each part holds documents that no part before
it holds.
"""

import contextlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from pipeline.lake.compaction import Compacted, Shard, Strangers, compact
from pipeline.lake.paths import (
    DELETIONS,
    begins_prefix,
    cover_path,
    manifest_path,
    staged_path,
    staging_prefix,
    table_path,
)
from pipeline.lake.shard_progress import ShardProgress, note_commits, read_progress
from pipeline.lake.tables.table_writer import TableWriter
from pipeline.object_store.store import Exists, Store
from schemas.plan import CommittedCounts, CommittedFile, Cover, Manifest, Plan
from schemas.records import DeletionRecord
from schemas.settings import OutputSettings
from schemas.source import source_id
from schemas.tables import to_table


def write_manifest(
    store: Store, plan: Plan, shard_index: int, run_id: str, compacted: Compacted, check: Callable[[], None]
) -> bool:
    """Commits what was compacted. `check` raises if the lease is gone. False if another run committed it first, with the same
    files."""
    manifest = Manifest(
        plan_id=plan.plan_id,
        shard_index=shard_index,
        part=compacted.part,
        run_id=run_id,
        committed_at=datetime.now(UTC),
        recipe_ids={task: recipe.recipe_id for task, recipe in plan.recipes.items()},
        page_range=plan.page_range,
        num_shards=len(plan.shards),
        files=compacted.files,
        counts=compacted.counts,
        sources=compacted.sources,
    )
    body = manifest.model_dump_json().encode()
    check()
    try:
        store.create(manifest_path(plan.ingest_date, plan.plan_id, shard_index, compacted.part), body)
    except Exists:
        return False
    return True


def commit_whole(
    store: Store, plan: Plan, pending: Iterable[int], run_id: str, settings: OutputSettings, check: Callable[[], None]
) -> CommittedCounts:
    """Commits all documents that are completely staged, and gives their counts.

    A run calls this before it closes a plan. Its other documents are planned again; without this commit, rows of the complete ones
    could be in the tables twice.
    """
    counts = CommittedCounts()
    for progress in read_progress(store, plan, pending).values():
        check()
        with contextlib.suppress(Strangers):  # nothing is written then, and the documents are planned again
            left = progress.num_waiting + 1
            while 0 < progress.num_waiting < left:
                left = progress.num_waiting
                counts = counts.plus(_commit_part(store, plan, progress, run_id, settings, check))
        if not settings.keep_staging:  # a run may have died between a manifest and the deletion after it
            store.delete([staged_path(plan.plan_id, progress.shard_index, str(name)) for name in progress.committed_chunks()])
    return counts


def _commit_part(
    store: Store, plan: Plan, progress: ShardProgress, run_id: str, settings: OutputSettings, check: Callable[[], None]
) -> CommittedCounts:
    """Commits the documents that wait, or those that an existing cover of this part names."""
    index, names = progress.shard_index, progress.chunks()
    compacted = compact(store, Shard.whole_of(plan, progress), names, settings)
    if compacted is None:
        note_commits(store, plan, progress)
        return CommittedCounts()
    write_manifest(store, plan, index, run_id, compacted, check)
    progress.commit(compacted.source_indexes, compacted.part)
    if not settings.keep_staging:
        delete_staging(store, plan, index, compacted)
    return compacted.counts or CommittedCounts()


def commit_disappearances(store: Store, plan: Plan, run_id: str, check: Callable[[], None]) -> None:
    """Writes what the plan found to be gone as rows and a manifest. Both depend on the plan alone, so a second call changes
    nothing."""
    records = [
        DeletionRecord(
            uri=change.uri,
            source_id=source_id(change.uri, change.etag),
            source_version=change.etag,
            document_id=change.document_id,
            plan_id=plan.plan_id,
            is_deleted=change.is_deleted,
            noticed_at=plan.created_at,
            input=plan.input,
        )
        for change in plan.disappearances
    ]
    writer = TableWriter("deletions", Cover(chunks=[], compression_level=3, row_group_rows=50_000))
    writer.add(to_table("deletions", [record.row() for record in records]))
    body = writer.finish()
    assert body is not None
    path = table_path("deletions", plan.ingest_date, plan.plan_id, DELETIONS)
    check()
    store.put(path, body)
    manifest = Manifest(
        plan_id=plan.plan_id,
        shard_index=DELETIONS,
        run_id=run_id,
        committed_at=datetime.now(UTC),
        recipe_ids={},
        num_shards=len(plan.shards),
        files=[CommittedFile(path=path, size_bytes=len(body), rows=len(records))],
        disappearances=plan.disappearances,
    )
    check()
    with contextlib.suppress(Exists):
        store.create(manifest_path(plan.ingest_date, plan.plan_id, DELETIONS), manifest.model_dump_json().encode())


def delete_staging(store: Store, plan: Plan, shard_index: int, compacted: Compacted | None = None) -> None:
    """Deletes staged chunks after their commit: those of a part with its cover, else all of the shard. Chunks that a worker of a
    dead run stages later are never read, and `pagefold gc` removes them."""
    if compacted is not None and compacted.part is not None:
        chunks = [staged_path(plan.plan_id, shard_index, name) for name in compacted.chunks]
        store.delete([*chunks, cover_path(plan.plan_id, shard_index, compacted.part)])
        return
    for prefix in (staging_prefix(plan.plan_id, shard_index), begins_prefix(plan.plan_id, shard_index)):
        store.delete([stored.path for stored in store.list(prefix)])
