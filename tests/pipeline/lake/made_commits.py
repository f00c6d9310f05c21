"""Lakes made by the commit's own code, without a run, and a store that dies at one of its writes."""

from collections.abc import Sequence

from pipeline.lake.commit import commit_disappearances, write_manifest
from pipeline.lake.compaction import Shard, compact
from pipeline.lake.paths import plan_path, staged_path
from pipeline.lake.shard_progress import ShardProgress, list_staged
from pipeline.lake.staging import encode_chunk
from pipeline.object_store.store import Store
from schemas.failure import FailureKind
from schemas.plan import Disappearance
from schemas.planned import PlannedSource
from schemas.settings import OutputSettings
from tests.pipeline.made import make_chunk, make_plan, planned, records_of


def commit_documents(
    store: Store, plan_id: str, shards: Sequence[Sequence[PlannedSource]], failing: dict[int, FailureKind] | None = None
) -> None:
    """A plan with these shards, each document of three pages, of which those in `failing` have failed; all of it committed."""
    plan = make_plan([list(items) for items in shards], plan_id)
    store.create(plan_path(plan_id), plan.model_dump_json().encode())
    for index, items in enumerate(shards):
        for place, item in enumerate(items):
            chunk = make_chunk(item, place, 0, [0, 1, 2], 3)
            document = chunk.document.model_copy(update={"document_id": f"bytes of {item.source.uri} {item.source.etag}"})
            chunk = chunk.model_copy(update={"plan_id": plan_id, "shard_index": index, "document": document})
            store.create(staged_path(plan_id, index, chunk.name), encode_chunk(chunk, records_of(chunk, failing), "r1"))
        compacted = compact(
            store, Shard.of(plan, index), ShardProgress(plan, index, list_staged(store, plan, index)).chunks(), OutputSettings()
        )
        assert compacted
        write_manifest(store, plan, index, "r1", compacted, lambda: None)


def make_mixed_lake(store: Store) -> None:
    """Eight documents in four shards; one page each failed. Later one is read again, one overwritten and one gone."""
    names = [[f"{shard}{number}.pdf" for number in range(2)] for shard in range(4)]
    commit_documents(store, "000001", [[planned(name) for name in some] for some in names], {2: FailureKind.bad_json})
    again = [planned("00.pdf", attempt=1), planned("10.pdf", source=planned("10.pdf").source.model_copy(update={"etag": "2"}))]
    commit_documents(store, "000002", [again[:1], again[1:]])
    item = planned("20.pdf").source
    plan = make_plan([], "000003").model_copy(
        update={"disappearances": [Disappearance(uri=item.uri, etag=item.etag, document_id=None, is_deleted=True)]}
    )
    store.create(plan_path("000003"), plan.model_dump_json().encode())
    commit_disappearances(store, plan, "r3", lambda: None)
