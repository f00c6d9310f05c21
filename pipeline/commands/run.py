"""Commands that read documents, or say what would be read."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    OnFlag,
    Output,
    PagesFlag,
    QuietFlag,
    RayFlag,
    RedoFlag,
    SetFlag,
    TasksFlag,
    UnsafeFlag,
    YesFlag,
    failure_kinds,
    resolved,
)
from pipeline.commands.output import ask_before_closing, console, do, dump_json, observed, printing_the_end
from schemas.errors import EXIT_WORK, OperatorError

if TYPE_CHECKING:
    from pipeline.reporting.observer import Observer
    from pipeline.reporting.summary import Summary


def run(
    input: Input,
    output: Output,
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
    on: OnFlag = None,
    ray_address: RayFlag = None,
    unsafe_single_writer: UnsafeFlag = False,
    log_format: LogFormatFlag = None,
    yes: YesFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Read what is new or changed in IN into the tables in OUT. Stopped halfway, the same command goes on."""
    others = {
        "log.format": log_format,
        "plan.redo": redo,
        "input.allow_empty": allow_empty or None,
        "run.fail_above": fail_above,
        "run.on": on,
    }
    settings = resolved(engine, model, base_url, tasks, limit, pages, config, set_, ray_address, unsafe_single_writer, others)

    def work(observer: "Observer") -> "Summary":
        from pipeline import runner

        return runner.run(input, output, settings, observer=observer)

    ask_before_closing(output, settings, yes)
    do(work, settings, quiet, as_json)


def plan(
    input: Input,
    output: Output,
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    tasks: TasksFlag = None,
    limit: LimitFlag = None,
    pages: PagesFlag = None,
    redo: RedoFlag = None,
    allow_empty: AllowEmptyFlag = False,
    with_exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"End with {EXIT_WORK} where `run` would find work, with 0 where it would not.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=0, help="Pages to look at, to say how many need no model: see read.text_from."),
    ] = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    on: OnFlag = None,
    ray_address: RayFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what `run` would do, and with which settings. Changes nothing."""
    others = {"plan.redo": redo, "input.allow_empty": allow_empty or None, "run.on": on}
    settings = resolved(engine, model, base_url, tasks, limit, pages, config, set_, ray_address, others=others)
    from pipeline import config as configuration
    from pipeline.preview import plan as preview
    from pipeline.reporting.plan_report import print_plan

    report = preview(input, output, settings, num_sampled=sample)
    if as_json:
        dump_json(asdict(report) | {"settings": configuration.dump(settings)})
    else:
        print_plan(console(), report, configuration.changed(settings))
    if with_exit_code and report.has_work:
        raise typer.Exit(EXIT_WORK)


def retry(
    output: Output,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only failures of this kind; repeatable. All by default.")
    ] = None,
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    tasks: TasksFlag = None,
    fail_above: FailAboveFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    on: OnFlag = None,
    ray_address: RayFlag = None,
    unsafe_single_writer: UnsafeFlag = False,
    log_format: LogFormatFlag = None,
    yes: YesFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Read again what failed, and nothing else; with other settings where you give them."""
    kinds = failure_kinds(kind)
    others = {"log.format": log_format, "run.fail_above": fail_above, "run.on": on}
    settings = resolved(engine, model, base_url, tasks, None, None, config, set_, ray_address, unsafe_single_writer, others)

    def work(observer: "Observer") -> "Summary":
        from pipeline import runner

        return runner.retry(output, settings, kinds=kinds, observer=observer)

    ask_before_closing(output, settings, yes)
    do(work, settings, quiet, as_json)


def demo(
    output: Annotated[Path, typer.Option("--output", help="Where its tables go.")] = Path("demo-out"),
    quiet: QuietFlag = False,
) -> None:
    """Read the example files that come along, on this machine alone, and show what was found."""
    from pipeline.demo import EXAMPLES, demo_settings, print_demo

    if not output.name or output.parts[0] == "s3:":
        raise OperatorError(f"The demo works on this machine alone: --output is a folder with a name, not {output}.")
    settings = demo_settings()

    def work(observer: "Observer") -> "Summary":
        from pipeline import runner

        return runner.run(str(EXAMPLES), str(output), settings, observer=observer)

    summary, _ = observed(work, settings, quiet)
    report = output.with_name(f"{output.name}-report")
    if summary.exit_code == 0:
        from pipeline.report.site import write_report

        for _ in write_report(str(output), str(report), settings):
            continue
    with printing_the_end():
        print_demo(console(), str(output), summary)
        if summary.exit_code == 0:
            console().print(f"Look at it: {report}/index.html in a browser", markup=False, soft_wrap=True)
            console().print(
                "This was Ray Data, as large runs are done; `pagefold run IN OUT` reads so little in one process, in seconds."
            )
    raise typer.Exit(summary.exit_code)
