"""`pagefold submit`: a run as a job of a Ray cluster."""

import os
import sys
from typing import Annotated

import typer

from pipeline.commands.flags import (
    AllowEmptyFlag,
    BaseUrlFlag,
    ConfigFlag,
    EngineFlag,
    FailAboveFlag,
    Input,
    JsonFlag,
    LimitFlag,
    LogFormatFlag,
    ModelFlag,
    Output,
    PagesFlag,
    RedoFlag,
    SetFlag,
    TasksFlag,
    UnsafeFlag,
    resolved,
)
from pipeline.commands.output import dump_json
from schemas.errors import EXIT_FINISHED, EXIT_INCOMPLETE, OperatorError


def submit(
    input: Input,
    output: Output,
    address: Annotated[
        str | None, typer.Option("--address", metavar="URL", help="Ray's dashboard: http://head:8265. [RAY_API_SERVER_ADDRESS]")
    ] = None,
    with_code: Annotated[bool, typer.Option("--with-code", help="Send this pagefold along; else the cluster's own runs.")] = False,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME", help="Pass on this environment variable; repeatable.")
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Print the job's id and leave.")] = False,
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    tasks: TasksFlag = None,
    limit: LimitFlag = None,
    pages: PagesFlag = None,
    redo: RedoFlag = None,
    allow_empty: AllowEmptyFlag = False,
    fail_above: FailAboveFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    unsafe_single_writer: UnsafeFlag = False,
    log_format: LogFormatFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Send `run` to a Ray cluster as a job, follow what it prints, and end as it ends. Ctrl-C leaves it at work."""
    others = {
        "log.format": log_format,
        "plan.redo": redo,
        "input.allow_empty": allow_empty or None,
        "run.fail_above": fail_above,
    }
    settings = resolved(engine, model, base_url, tasks, limit, pages, config, set_, None, unsafe_single_writer, others)
    if settings.run.on == "local":
        raise OperatorError("run.on = local works on one machine, and `submit` sends a run to a Ray cluster: leave it out.")
    address = address or os.environ.get("RAY_API_SERVER_ADDRESS")
    if address is None:
        raise OperatorError("No cluster is named: give --address http://head:8265, or set RAY_API_SERVER_ADDRESS.")
    missing = [name for name in env or () if name not in os.environ]
    if missing:
        raise OperatorError(f"The environment variable {missing[0]} is not set here.")
    from pipeline.cluster.jobs_api import JobsApi, Unreachable
    from pipeline.cluster.submit import exit_code_of, follow, make_submission, send
    from pipeline.signals import Interrupted, signals_raise

    def say(text: str) -> None:
        sys.stderr.write(f"pagefold: {text}\n")

    def show(text: str) -> None:
        stream = sys.stderr if as_json else sys.stdout
        stream.write("".join(char for char in text if char.isprintable() or char in "\n\t"))
        stream.flush()

    submission = make_submission(input, output, settings, {name: os.environ[name] for name in env or ()}, with_code=with_code)
    api = JobsApi(address)
    submission_id, is_new = send(api, submission, {"input": input, "output": output})
    say(f"job {submission_id} is submitted" if is_new else f"job {submission_id} is at work on this already; following it")
    if no_wait:
        status, message, code = "SUBMITTED", None, EXIT_FINISHED
    else:
        try:
            with signals_raise():
                job = follow(api, submission_id, show)
            status, message, code = job.status, job.reason, exit_code_of(job)
        except Interrupted:
            status, message, code = "RUNNING", "it goes on; the same command follows it again", EXIT_INCOMPLETE
        except Unreachable as error:
            status, message, code = "UNKNOWN", f"{error}; the same command follows it again", EXIT_INCOMPLETE
        if code != EXIT_FINISHED:
            say(f"job {submission_id}: {status.lower()}" + (f" ({message})" if message else ""))
    if as_json:
        dump_json({"submission_id": submission_id, "is_new": is_new, "status": status, "message": message, "exit_code": code})
    elif no_wait:
        sys.stdout.write(f"{submission_id}\n")
    raise typer.Exit(code)
