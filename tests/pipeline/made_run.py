"""A run made by hand, as it is reported to observers."""

from dataclasses import dataclass
from typing import Any

from pipeline.reporting.observer import Observer, ShardCommit, StageLoad
from pipeline.reporting.summary import Summary
from schemas.failure import FailureKind
from schemas.plan import CommittedCounts
from schemas.receipt import AskTrouble, ReaderTime, Receipt, Spent

RUN = "20260101T000000Z-abc123"


@dataclass
class Lease:
    epoch: int = 7
    age_s: float = 12.5


def receipt(**changes: Any) -> Receipt:
    """Five pages: three ok, one blank, one failed."""
    plain: dict[str, Any] = {
        "shard_index": 0,
        "name": "00000.00000-00004.of-00005",
        "uri": "s3://drop/a\nb.pdf",
        "plan_id": "000001",
        "document_id": "d1",
        "num_ok": 3,
        "num_blank": 1,
        "num_failed": 1,
        "failures": {FailureKind.bad_json: 1},
        "troubles": (
            AskTrouble(
                kind=FailureKind.bad_json, stage="validate", task="ocr", page_index=4, region_index=None, message="no \x1b[31mJSON"
            ),
        ),
        "num_charts": 2,
        "num_prompt_tokens": 1000,
        "num_output_tokens": 200,
        "render_s": 0.5,
        "read_s": 4.0,
        "stage_s": 0.25,
    }
    of_reader = {field: changes.pop(name) for name, field in _OF_READER.items() if name in changes}
    reader = {"name": "h-1-a", "lived_s": 10.0, "busy_s": 4.0} | of_reader
    spent = Spent(
        probe_s=0.125, num_downloads=1, num_cache_hits=2, num_bytes_fetched=4096, readers=(ReaderTime.model_validate(reader),)
    )
    return Receipt.model_validate(plain | {"spent": spent} | changes)


_OF_READER = {"reader": "name", "reads": "reads", "num_gpus": "num_gpus", "lived_s": "lived_s", "busy_s": "busy_s"}


def replay(observer: Observer, *receipts: Receipt) -> None:
    """Reports all of a run except its end to the observer."""
    observer.phase("listing", "s3://drop")
    observer.started(RUN, "scripted", Lease())
    observer.planned("000001", 3, 300)
    observer.phase("reading")
    observer.stages([StageLoad("probe", 1, 0), StageLoad("render", 2, 5), StageLoad("read", 16, 3), StageLoad("compact", 0, 0)])
    for number, each in enumerate(receipts or (receipt(),)):
        observer.chunk_done(each, number + 1)
    observer.shard_committed(ShardCommit("000001", 0, 2, 1, 2, 1.5, counts=CommittedCounts(num_documents=2)))


def summary(**changes: Any) -> Summary:
    plain = {"run_id": RUN, "status": "finished", "output": "out", "num_documents": 2, "num_pages": {"ok": 3}, "seconds": 9.0}
    return Summary(**plain | changes)
