"""Arguments and flags that several commands share, and the settings that result from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import OperatorError

if TYPE_CHECKING:
    from schemas.settings import Settings

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
AllowEmptyFlag = Annotated[
    bool, typer.Option("--allow-empty", help="An input without an object is no mistake. [input.allow_empty]")
]
FailAboveFlag = Annotated[
    str | None, typer.Option("--fail-above", metavar="SHARE", help="Exit code 1 when more pages fail: 5% or 0.05. [run.fail_above]")
]
RedoFlag = Annotated[str | None, typer.Option("--redo", help="What is read again: stale, failed, all or none. [plan.redo]")]
ConfigFlag = Annotated[Path | None, typer.Option("--config", help="Settings file; pagefold.toml here by default.")]
SetFlag = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any setting; repeatable.")]
OnFlag = Annotated[str | None, typer.Option("--on", help="auto, ray, or local: one process on this machine. [run.on]")]
RayFlag = Annotated[str | None, typer.Option("--ray-address", help="Ray cluster to join. [ray.address]")]
UnsafeFlag = Annotated[
    bool, typer.Option("--unsafe-single-writer", help="Accept a store without conditional writes. [output.unsafe_single_writer]")
]
LogFormatFlag = Annotated[str | None, typer.Option("--log-format", help="text, or json: a line for each event. [log.format]")]
QuietFlag = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")]
YesFlag = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask before an unfinished plan of other settings is closed.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def resolved(
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
    others: Mapping[str, Any] | None = None,
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
        **(others or {}),
    }
    return resolve(flags, assignments or (), config)


def resolved_for_output(config: Path | None, assignments: list[str] | None, *, unsafe_single_writer: bool = False) -> "Settings":
    """The settings of a command that reads no document: it takes the flags `--config` and `--set`."""
    return resolved(None, None, None, None, None, None, config, assignments, None, unsafe_single_writer)


def failure_kinds(names: list[str] | None) -> "list[Any] | None":
    from difflib import get_close_matches

    from schemas.failure import FailureKind

    for name in names or ():
        if name not in FailureKind.__members__:
            close = get_close_matches(name, FailureKind.__members__, n=1)
            raise OperatorError(f"there is no failure kind {name!r}" + (f"; did you mean {close[0]}?" if close else "."))
    return [FailureKind(name) for name in names] if names else None
