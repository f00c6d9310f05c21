"""What `pagefold plan` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.reporting.figures import counted, size
from pipeline.reporting.summary import LayerChoice, PlanReport, TaskForecast, waiting_text
from schemas.failure import clean_message

_MAX_REASONS = 5
_LEFT_OUT = {
    "excluded": "by input.include and input.exclude",
    "too_young": "younger than input.min_age_s",
    "unmarked": "no marker in their folder yet: input.marker",
    "marker": "markers, which are never read",
}


def print_plan(console: Console, report: PlanReport, changed: Mapping[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("found", str(report.num_sources_found))
    for reason, count in report.num_left_out.items():
        table.add_row(reason.replace("_", " "), str(count), f"left out: {_LEFT_OUT[reason]}")
    table.add_row("done", str(report.num_done), "left out: read under these recipes")
    for name, count, meaning in [
        ("new", report.num_new, ""),
        ("changed", report.num_changed, "another version was read before"),
        ("other recipe", report.num_redone, "read before, but asked in another way"),
        ("stale", report.num_stale_left, "the same, and left as they are: --redo stale reads them again"),
        ("tried again", report.num_retried, "failed before"),
        ("over the limit", report.num_left_for_limit, "left for later by --limit"),
        ("deleted", report.num_deleted, "no longer listed: noted in `deletions`, their answers stay"),
        ("listed again", report.num_restored, "were noted as deleted"),
    ]:
        if count or name == "new":
            table.add_row(name, str(count), meaning)
    table.add_row("to read", size(report.num_bytes), f"in {counted(report.num_shards, 'shard')}")
    if report.num_image_bytes is not None:
        table.add_row("pictures", f"about {size(report.num_image_bytes)}", "that output.images keeps of it, in the table `images`")
    for task, recipe in report.recipes.items():
        table.add_row("recipe", Text(recipe), task)
    if report.on:
        table.add_row("on", report.on, report.why_on)
    console.print(table)
    if report.forecast:
        _print_forecast(console, report.forecast)
    if report.layer_choices:
        _print_choices(console, report.layer_choices)
    if report.waiting_until:
        console.print(Text(f"Of these {waiting_text(report.num_waiting, report.waiting_until)}."))
    if report.empty_input:
        console.print(Text(f"Mind: {clean_message(report.empty_input)}.", "yellow"))
    for task in report.tasks_left_out:
        console.print(Text(f"The engine does not do {task}: left out.", "yellow"))
    for sentence in report.missing_files.sentences:
        console.print(Text(f"Mind: {sentence}.", "yellow"))
    if report.unfinished_plan_id:
        what = "is closed, and its sources are planned anew" if report.abandons_unfinished else "is finished first"
        left = counted(report.num_unfinished_sources, "source")
        console.print(Text(f"Plan {report.unfinished_plan_id} with {left} left {what}."))
    settings = ", ".join(f"{name}={value}" for name, value in changed.items()) or "all at their defaults"
    console.print(Text(f"Settings: {clean_message(settings)} (--json has all)"))


def _print_choices(console: Console, choices: Sequence[LayerChoice]) -> None:
    """Prints how many pages need no model, and what either choice would come to."""
    table = Table(
        "text_from",
        "by the model",
        "from layers",
        "tokens",
        "GPU-hours",
        "cost",
        box=None,
        padding=(0, 2, 0, 0),
        header_style="bold",
    )
    for choice in choices:
        table.add_row(
            f"{choice.text_from}{' (chosen)' if choice.is_chosen else ''}",
            f"{choice.num_pages_model}",
            f"{choice.num_pages_layer}",
            "-" if choice.num_tokens is None else f"{choice.num_tokens:,}",
            "-" if choice.gpu_h is None else f"{choice.gpu_h:.2f}",
            "-" if choice.cost is None else f"{choice.cost:.2f} {choice.currency}",
        )
    console.print()
    console.print(f"Pages of text, by {choices[0].num_sampled} pages that were looked at:")
    console.print(table)


def _print_forecast(console: Console, forecast: Sequence[TaskForecast]) -> None:
    """Prints the forecast. `-` stands for an amount that no earlier run of this engine and model gives."""
    table = Table(
        "task", "sources", "pages", "tokens", "GPU-hours", "cost", "why", box=None, padding=(0, 2, 0, 0), header_style="bold"
    )
    for part in forecast:
        cost = "-" if part.cost is None else f"{part.cost:.2f} {part.currency}"
        amounts = [
            str(part.num_sources),
            f"{part.num_pages}",
            "-" if part.num_tokens is None else f"{part.num_tokens:,}",
            "-" if part.gpu_h is None else f"{part.gpu_h:.2f}",
            cost,
        ]
        why = [clean_message(f"{reason} ({count})") for reason, count in part.why.items()]
        shown = why[:_MAX_REASONS] + ([f"… and {len(why) - _MAX_REASONS} reasons more"] if len(why) > _MAX_REASONS else [])
        table.add_row(part.task, *amounts, Text("\n".join(shown)))
    console.print()
    console.print(table)
