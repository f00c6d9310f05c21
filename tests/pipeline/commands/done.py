"""The summary of a run that went well."""

from pipeline.reporting.summary import Summary
from schemas.failure import FailureKind

DONE = Summary(
    run_id="r1",
    status="finished",
    output="out",
    num_documents=2,
    num_pages={"ok": 3, "failed": 1, "blank": 0},
    num_pages_now=4,
    failures={FailureKind.bad_json: 1},
    seconds=2.0,
)
