"""The command `pagefold`. Each command resolves the settings, calls one function and prints what it gave.

Heavy modules are imported inside the commands, so that `pagefold --help` does not wait for Arrow or Ray.
"""

import sys
from typing import Annotated, NoReturn

import typer

from pipeline.commands import ask as asking
from pipeline.commands import compare as comparing
from pipeline.commands import export as taking
from pipeline.commands import gc as keeping
from pipeline.commands import look as looking
from pipeline.commands import run as working
from pipeline.commands import submit as submitting
from pipeline.commands import trial as trying
from pipeline.commands import watch as watching
from pipeline.commands.output import Process, flush_stdout, open_closed_streams
from pipeline.reporting.endings import fail, fail_by_bug
from schemas.errors import EXIT_OPERATOR, exit_code, sentence

app = typer.Typer(
    name="pagefold",
    help="PDFs and images in a bucket become Parquet you can query: every page's text, every chart's data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    working.run,
    watching.watch,
    submitting.submit,
    working.plan,
    looking.status,
    looking.failures,
    working.retry,
    keeping.gc,
    keeping.optimize,
    keeping.backfill,
    keeping.publish,
    asking.query,
    asking.ask,
    asking.search,
    comparing.compare,
    comparing.prefer,
    taking.report,
    taking.show,
    taking.export,
    looking.sql,
    looking.schema,
    looking.doctor,
    trying.try_,
    working.demo,
):
    app.command(command.__name__.rstrip("_"), cls=asking.TakesSql if command is asking.query else None)(command)


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"pagefold {version_of('pagefold')}")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line and exit: 0 finished, 1 incomplete or no success, 2 operator mistake. Never a bare traceback."""
    Process.is_ours = True
    open_closed_streams()
    try:
        try:
            app()
        finally:
            flush_stdout()
    except UnicodeEncodeError as error:
        if error.encoding.startswith("utf"):
            fail_by_bug(error)
        fail(f"what is printed has signs that {error.encoding} lacks: set PYTHONIOENCODING=utf-8.", EXIT_OPERATOR)
    except Exception as error:  # noqa: BLE001 - shown in a sentence, and written to a log
        if (code := exit_code(error)) is None:
            fail_by_bug(error)
        fail(sentence(error), code)
    sys.exit(0)


assert EXIT_OPERATOR == 2  # click's own exit code for a wrong command line
