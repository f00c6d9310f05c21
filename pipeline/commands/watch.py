"""`pagefold watch`: a run whenever there may be something to read."""

import contextlib
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.flags import (
    BaseUrlFlag,
    ConfigFlag,
    EngineFlag,
    FailAboveFlag,
    Input,
    JsonFlag,
    LogFormatFlag,
    ModelFlag,
    OnFlag,
    Output,
    PagesFlag,
    QuietFlag,
    RayFlag,
    SetFlag,
    TasksFlag,
    UnsafeFlag,
    resolved,
)
from pipeline.commands.output import observed
from pipeline.reporting.endings import fail
from schemas.errors import EXIT_INCOMPLETE

if TYPE_CHECKING:
    from pipeline.reporting.summary import Summary
    from pipeline.watching.watch import Woken
    from schemas.settings import Settings


def watch(
    input: Input,
    output: Output,
    queue: Annotated[str | None, typer.Option("--queue", metavar="URL", help="SQS queue of IN's events. [watch.queue]")] = None,
    every_s: Annotated[
        float | None, typer.Option("--every", metavar="SECONDS", help="List IN this often where no event comes. [watch.every_s]")
    ] = None,
    max_runs: Annotated[int | None, typer.Option("--max-runs", min=1, help="End after so many runs.")] = None,
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    tasks: TasksFlag = None,
    pages: PagesFlag = None,
    fail_above: FailAboveFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    on: OnFlag = None,
    ray_address: RayFlag = None,
    unsafe_single_writer: UnsafeFlag = False,
    log_format: LogFormatFlag = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Run now, and again whenever events say that IN has changed, or a while has passed. Ends at SIGTERM or Ctrl-C."""
    given = {
        "watch.queue": queue,
        "watch.every_s": every_s,
        "log.format": log_format,
        "run.fail_above": fail_above,
        "run.on": on,
        "input.allow_empty": True,  # a watch may begin at an empty drop folder
    }
    settings = resolved(engine, model, base_url, tasks, None, pages, config, set_, ray_address, unsafe_single_writer, given)
    from pipeline.lake.lease import is_held, read_lease
    from pipeline.lake.opening import open_store
    from pipeline.object_store.store import StoreError
    from pipeline.watching.child_process import Apart
    from pipeline.watching.sqs import Sqs
    from pipeline.watching.watch import Actions
    from pipeline.watching.watch import watch as keep_watch

    def is_lease_free() -> bool:
        try:
            lease = read_lease(open_store(output, timeout_s=settings.fetch.timeout_s, max_tries=settings.fetch.max_tries))
        except StoreError:
            return True  # the run meets the same error and reports it
        return lease is None or not is_held(*lease)

    def show(woken: "Woken") -> None:
        try:
            sys.stdout.write(_json_line(woken) if as_json else _line(woken))
            sys.stdout.flush()
        except OSError as error:  # a disk that is full for a while must not end the watch
            say(f"a line could not be printed: {error.strerror}")

    def say(text: str) -> None:
        from pipeline.reporting.json_log import event, json_log
        from schemas.failure import clean_message

        if settings.log.format == "json":
            with json_log(sys.stderr):
                event("watch", message=text)
            return
        with contextlib.suppress(OSError):
            sys.stderr.write(f"pagefold: {clean_message(text)}\n")
            sys.stderr.flush()

    events = None
    if settings.watch.queue:
        events = Sqs(
            settings.watch.queue,
            visibility_s=settings.watch.visibility_s,
            timeout_s=settings.fetch.timeout_s,
            max_tries=settings.fetch.max_tries,
        )
    work = Actions(lambda: Apart(run_once, input, output, settings, quiet), is_lease_free, show, say)
    try:
        code = keep_watch(input, settings, work, queue=events, max_runs=max_runs)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on.", EXIT_INCOMPLETE)
    raise typer.Exit(code)


def run_once(input: str, output: str, settings: "Settings", quiet: bool) -> "Summary":
    """Does what `pagefold run` does, in the calling process."""
    from pipeline import runner

    summary, _ = observed(lambda observer: runner.run(input, output, settings, observer=observer), settings, quiet)
    return summary


def _json_line(woken: "Woken") -> str:
    import json

    return json.dumps(asdict(woken), ensure_ascii=False, default=str) + "\n"


def _line(woken: "Woken") -> str:
    from pipeline.reporting.figures import counted, duration
    from schemas.failure import clean_message

    events = counted(woken.num_messages, "event")
    why = {"start": "start", "events": events, "time": "time is up", "again": "tried again"}[woken.reason]
    line = f"{woken.at:%Y-%m-%d %H:%M:%S} {why}: {woken.status.replace('_', ' ')}"
    if (summary := woken.summary) is not None and woken.status != "nothing_to_do":
        line += f", {counted(summary.num_documents, 'document')}, {counted(summary.num_pages_read, 'page')}"
        line += f", {counted(summary.num_failures, 'failure')}"
        line += f" in {duration(summary.seconds)}"
    return line + (f" ({clean_message(woken.message)})" if woken.message else "") + "\n"
