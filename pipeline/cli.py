"""The command `pagefold`. Each command resolves the settings, calls one function and prints what it gave.

Heavy modules are imported inside the commands: `pagefold --help` shall not wait for Arrow or Ray.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pipeline.errors import EXIT_INCOMPLETE, EXIT_OPERATOR, OperatorError, exit_code

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.observer import Observer
    from pipeline.summary import Summary
    from schemas.settings import Settings

app = typer.Typer(
    name="pagefold",
    help="PDFs and images in a bucket become Parquet you can query: every page's text, every chart's data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Input = Annotated[str, typer.Argument(metavar="IN", help="A folder, a file, or s3://bucket/prefix.")]
Output = Annotated[str, typer.Argument(metavar="OUT", help="A folder, or s3://bucket/prefix: where the tables are.")]
EngineFlag = Annotated[str | None, typer.Option("--engine", help="Who reads: classic, server, ovis or scripted. [engine.name]")]
ModelFlag = Annotated[str | None, typer.Option("--model", help="Model of the engine. [engine.model]")]
BaseUrlFlag = Annotated[
    str | None, typer.Option("--base-url", help="OpenAI-compatible endpoint, up to /v1. [engine.server.base_url]")
]
TasksFlag = Annotated[str | None, typer.Option("--tasks", help="ocr, chart, or both: ocr,chart. [read.tasks]")]
LimitFlag = Annotated[int | None, typer.Option("--limit", help="Read at most this many sources. [input.limit]")]
PagesFlag = Annotated[str | None, typer.Option("--pages", help="Pages to read, from 1: 1-3,7,10-. [input.pages]")]
ConfigFlag = Annotated[Path | None, typer.Option("--config", help="Settings file; pagefold.toml here by default.")]
SetFlag = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any setting; repeatable.")]
RayFlag = Annotated[str | None, typer.Option("--ray-address", help="Ray cluster to join. [ray.address]")]
UnsafeFlag = Annotated[
    bool, typer.Option("--unsafe-single-writer", help="Accept a store without conditional writes. [output.unsafe_single_writer]")
]
QuietFlag = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command()
def run(
    input: Input,
    output: Output,
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    tasks: TasksFlag = None,
    limit: LimitFlag = None,
    pages: PagesFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    ray_address: RayFlag = None,
    unsafe_single_writer: UnsafeFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Read what is new or changed in IN into the tables in OUT. Stopped halfway, the same command goes on."""
    settings = _settings(engine, model, base_url, tasks, limit, pages, config, set_, ray_address, unsafe_single_writer)

    def work(observer: "Observer") -> "Summary":
        from pipeline import runner

        return runner.run(input, output, settings, observer=observer)

    _work(work, quiet, as_json)


@app.command()
def plan(
    input: Input,
    output: Output,
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    tasks: TasksFlag = None,
    limit: LimitFlag = None,
    pages: PagesFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what `run` would do, and with which settings. Changes nothing."""
    settings = _settings(engine, model, base_url, tasks, limit, pages, config, set_)
    from pipeline import config as configuration
    from pipeline import runner
    from pipeline.inspection import print_plan

    report = runner.plan(input, output, settings)
    if as_json:
        _print_json(asdict(report) | {"settings": configuration.dump(settings)})
    else:
        print_plan(_console(), report, configuration.changed(settings))


@app.command()
def status(output: Output, as_json: JsonFlag = False) -> None:
    """Is a run at work on OUT, how far is it, and how did the last ones end?"""
    from pipeline.inspection import print_status, read_status

    state = read_status(output)
    if as_json:
        _print_json(asdict(state))
    else:
        print_status(_console(), state)


@app.command()
def failures(
    output: Output,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; repeatable.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """What could not be read and is still open, why, and what to do about it."""
    kinds = _kinds(kind)
    from pipeline.inspection import open_failures, print_failures
    from pipeline.query import print_json

    rows = open_failures(output, kinds)
    if as_json:
        print_json(rows)
    else:
        print_failures(_console(), rows, output)


@app.command()
def retry(
    output: Output,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only failures of this kind; repeatable. All by default.")
    ] = None,
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    tasks: TasksFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    ray_address: RayFlag = None,
    unsafe_single_writer: UnsafeFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Read again what failed, and nothing else; with other settings where you give them."""
    kinds = _kinds(kind)
    settings = _settings(engine, model, base_url, tasks, None, None, config, set_, ray_address, unsafe_single_writer)

    def work(observer: "Observer") -> "Summary":
        from pipeline import runner

        return runner.retry(output, settings, kinds=kinds, observer=observer)

    _work(work, quiet, as_json)


@app.command()
def query(
    output: Output,
    sql: Annotated[str, typer.Argument(help="SQL over the tables and the current_* and open_failures views.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per row.")] = False,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="Write the result to this file.")] = None,
) -> None:
    """Ask the tables in OUT with DuckDB."""
    from pipeline.query import print_csv, print_json, print_table, run_query

    result = run_query(output, sql)
    if parquet is not None:
        from pyarrow.parquet import write_table

        write_table(result, parquet)
    elif as_csv:
        print_csv(result)
    elif as_json:
        print_json(result)
    else:
        print_table(_console(), result)


@app.command()
def sql(
    output: Output,
    dialect: Annotated[str, typer.Option("--dialect", help="duckdb, athena or spark.")] = "duckdb",
    name: Annotated[str | None, typer.Option("--query", help="Print this ready question instead; `list` names them.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="First ingest_date that Athena looks for.")] = None,
) -> None:
    """Print the tables and views of OUT as SQL for another engine, or a ready question."""
    from pipeline.sql import SINCE, present_tables, queries, render_query, render_sql

    if name == "list":
        text = "".join(f"{query:<18} {question.splitlines()[0].removeprefix('-- ')}\n" for query, question in queries().items())
    elif name is not None:
        text = render_query(name, dialect)
    else:
        text = render_sql(output, dialect, since=since or SINCE, tables=present_tables(output, dialect))
    sys.stdout.write(text)


@app.command()
def schema(
    table: Annotated[str | None, typer.Option("--table", help="Only this table.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """The data dictionary: every table, every column, its type and what it says."""
    from pipeline.dictionary import dictionary, print_dictionary

    entries = dictionary(table)
    if as_json:
        _print_json(entries)
    else:
        print_dictionary(_console(), entries)


@app.command()
def doctor(
    input: Annotated[str | None, typer.Argument(metavar="[IN]", help="Also check that this input can be read.")] = None,
    output: Annotated[str | None, typer.Argument(metavar="[OUT]", help="Also check that this output can be written.")] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Also start Ray and run a task.")] = False,
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    ray_address: RayFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Check this machine, the engine, the input and the output. Exit code 1 when something would stop a run."""
    settings = _settings(engine, model, base_url, None, None, None, config, set_, ray_address)
    from pipeline.doctor import examine, print_findings

    findings = list(examine(settings, input, output, with_ray=ray))
    if as_json:
        _print_json([finding._asdict() for finding in findings])
    else:
        print_findings(_console(), findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", help="Where its tables go.")] = Path("demo-out"),
    quiet: QuietFlag = False,
) -> None:
    """Read the example files that come along, on this machine alone, and show what was found."""
    from pipeline.demo import EXAMPLES, demo_settings, print_findings

    settings = demo_settings()

    def work(observer: "Observer") -> "Summary":
        from pipeline import runner

        return runner.run(str(EXAMPLES), str(output), settings, observer=observer)

    summary, _ = _observe(work, quiet)
    print_findings(_console(), str(output), summary)
    raise typer.Exit(summary.exit_code)


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"pagefold {version_of('pagefold')}")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line and exit: 0 finished, 1 incomplete, 2 operator mistake (one sentence, no traceback)."""
    try:
        app()
    except Exception as error:
        if (code := exit_code(error)) is None:
            raise
        _fail(str(error), code)
    sys.exit(0)


def _fail(sentence: str, code: int) -> NoReturn:
    lines = (" ".join("".join(char if char.isprintable() else " " for char in line).split()) for line in sentence.splitlines())
    sys.stderr.write("pagefold: " + "\n".join(line for line in lines if line) + "\n")
    sys.exit(code)


def _settings(
    engine: str | None,
    model: str | None,
    base_url: str | None,
    tasks: str | None,
    limit: int | None,
    pages: str | None,
    config: Path | None,
    assignments: list[str] | None,
    ray_address: str | None = None,
    unsafe_single_writer: bool = False,
) -> "Settings":
    from pipeline.config import resolve

    flags: dict[str, Any] = {
        "engine.name": engine,
        "engine.model": model,
        "engine.server.base_url": base_url,
        "read.tasks": tasks and [task.strip() for task in tasks.split(",")],
        "input.limit": limit,
        "input.pages": pages,
        "ray.address": ray_address,
        "output.unsafe_single_writer": unsafe_single_writer or None,
    }
    return resolve(flags, assignments or (), config)


def _kinds(names: list[str] | None) -> "list[Any] | None":
    from difflib import get_close_matches

    from schemas.failure import FailureKind

    for name in names or ():
        if name not in FailureKind.__members__:
            close = get_close_matches(name, FailureKind.__members__, n=1)
            raise OperatorError(f"there is no failure kind {name!r}" + (f"; did you mean {close[0]}?" if close else "."))
    return [FailureKind(name) for name in names] if names else None


def _work(work: Callable[["Observer"], "Summary"], quiet: bool, as_json: bool) -> NoReturn:
    summary, log = _observe(work, quiet)
    if as_json:
        _print_json(asdict(summary) | {"pages_per_s": summary.pages_per_s, "exit_code": summary.exit_code, "log": log and str(log)})
    else:
        from pipeline.report import print_summary

        print_summary(_console(), summary, log=log)
    raise typer.Exit(summary.exit_code)


def _observe(work: Callable[["Observer"], "Summary"], quiet: bool) -> "tuple[Summary, Path | None]":
    """Do the work with its progress on stderr and Ray's noise in a log file; the file is kept where something is in it."""
    from pipeline.report import new_log, quiet_ray, show_progress

    log = new_log()
    try:
        with quiet_ray(log) as real, show_progress(real, quiet=quiet) as observer:
            summary = work(observer)
    except KeyboardInterrupt:
        _fail("interrupted; the same command goes on.", EXIT_INCOMPLETE)
    except Exception as error:
        if exit_code(error) is None:
            sys.stderr.write(f"pagefold: this is a bug, or the machine's end; what Ray said is in {log}\n")
        raise
    finally:
        if log.exists() and log.stat().st_size == 0:
            log.unlink()
            log.parent.rmdir()
    return summary, log if log.exists() else None


def _console() -> "Console":
    """On stdout; into a file or a pipe 120 columns wide, unless COLUMNS says otherwise (rich: 80)."""
    import os

    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    return Console(highlight=False, width=width)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


assert EXIT_OPERATOR == 2  # click's own exit code for a wrong command line
