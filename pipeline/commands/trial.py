"""The command that tries one page."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.flags import BaseUrlFlag, ConfigFlag, EngineFlag, JsonFlag, ModelFlag, SetFlag, resolved
from pipeline.commands.output import console, dump_json
from schemas.errors import OperatorError


def try_(
    source: Annotated[str, typer.Argument(metavar="FILE", help="A PDF or an image: a path, or s3://bucket/key.")],
    page: Annotated[int, typer.Option("--page", min=1, help="Which page, from 1.")] = 1,
    task: Annotated[str, typer.Option("--task", help="ocr, or chart: the page's first region that may hold one.")] = "ocr",
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", help="How the model is asked: a name or a .toml file. [engine.server.profile]"),
    ] = None,
    html_file: Annotated[Path, typer.Option("--html", help="Where request, answer and picture are shown side by side.")] = Path(
        "pagefold-try.html"
    ),
    config: ConfigFlag = None,
    set_: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask an engine about one page, once, and show what is sent and what comes back. Exit code 1 if the answer is no use."""
    if task not in ("ocr", "chart"):
        raise OperatorError(f"--task is ocr or chart, not {task}.")
    settings = resolved(engine, model, base_url, None, None, None, config, set_, others={"engine.server.profile": profile})
    from pipeline.trial.asking import draw_page, try_page
    from pipeline.trial.showing import as_json as shown_as_json
    from pipeline.trial.showing import print_trial, trial_html

    drawn = draw_page(settings, source, page)
    assert drawn.image is not None
    trial = try_page(settings, drawn, "ocr" if task == "ocr" else "chart", label=f"{source}#page={page - 1}")
    try:
        html_file.write_text(trial_html(trial, drawn.image), "utf-8")
    except OSError as error:
        raise OperatorError(f"{html_file} cannot be written: {error.strerror or error}.") from error
    if as_json:
        dump_json(shown_as_json(trial))
    else:
        print_trial(console(), trial)
        console().print(f"side by side: {html_file}")
    if trial.failure is not None:
        raise typer.Exit(1)
