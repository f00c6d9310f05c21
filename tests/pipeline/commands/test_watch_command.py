"""`pagefold watch`: its flags, and a line for each run."""

import json
from datetime import UTC, datetime

import pytest

from schemas.settings import Settings
from tests.pipeline.commands.done import DONE


@pytest.mark.slow
def test_a_watch_takes_flags_and_tells_a_line_for_each_run(pagefold, monkeypatch):
    from pipeline.watching import watch as watching

    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    seen = []

    def watch(input: str, settings: Settings, work: watching.Actions, *, queue: object, max_runs: int | None) -> int:
        seen.append((settings.watch.queue, settings.watch.every_s, queue is None, max_runs))
        told = {"at": at, "message": None, "exit_code": 0}
        work.show(watching.Woken(reason="events", num_messages=3, status="finished", summary=DONE, **told))
        work.show(watching.Woken(reason="time", num_messages=0, status="nothing_to_do", **told))
        work.show(watching.Woken(reason="again", num_messages=0, status="failed", **told | {"message": "no \x1b[31mnetwork"}))
        work.say("another run is at work")
        return 1

    monkeypatch.setattr(watching, "watch", watch)
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
    code, out, err = pagefold("watch", "s3://b/in", "s3://b/out", "--queue", url, "--every", "7", "--max-runs", "4")
    assert (code, seen) == (1, [(url, 7.0, False, 4)])
    assert out.splitlines() == [
        "2026-01-02 03:04:05 3 events: finished, 2 documents, 4 pages, 1 failure in 2.0 s",
        "2026-01-02 03:04:05 time is up: nothing to do",
        "2026-01-02 03:04:05 tried again: failed (no [31mnetwork)",
    ]
    assert err == "pagefold: another run is at work\n"

    _, out, _ = pagefold("watch", "in", "out", "--json")
    assert seen[1] == (None, None, True, None)
    assert [json.loads(line)["reason"] for line in out.splitlines()] == ["events", "time", "again"]
    _, _, err = pagefold("watch", "in", "out", "--log-format", "json")
    assert json.loads(err) | {"event": "watch", "message": "another run is at work"} == json.loads(err)
