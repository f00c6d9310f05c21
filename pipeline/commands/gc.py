"""Commands that keep an output in order."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from pipeline.commands.flags import ConfigFlag, JsonFlag, Output, SetFlag, UnsafeFlag, resolved_for_output
from pipeline.commands.output import console, dump_json, note
from schemas.errors import EXIT_FINISHED, EXIT_INCOMPLETE


def gc(
    output: Output,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would go, with sizes.")] = False,
    in_tables: Annotated[
        bool,
        typer.Option(
            "--tables",
            help="Also table files that optimize replaced, or that no manifest commits; needs the right to delete.",
        ),
    ] = False,
    min_age_s: Annotated[
        float, typer.Option("--min-age-s", min=0, help="Leave alone what is younger than so many seconds.")
    ] = 3600,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    unsafe_single_writer: UnsafeFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove from OUT what no run will read again: staging of finished and closed plans, markers of dead runs."""
    settings = resolved_for_output(config, set_, unsafe_single_writer=unsafe_single_writer)
    from pipeline.analytics.status import print_sweep
    from pipeline.lake.garbage import look, sweep
    from pipeline.lake.opening import open_output
    from pipeline.runner import new_run_id

    store = open_output(output, settings)
    keep_answers = timedelta(days=settings.output.keep_answers_days)
    if dry_run:
        done = look(store, min_age_s=min_age_s, keep_answers=keep_answers)
    else:
        done = sweep(
            store,
            min_age_s=min_age_s,
            in_tables=in_tables,
            ttl_s=settings.output.lease_ttl_s,
            run_id=f"gc-{new_run_id()}",
            keep_answers=keep_answers,
        )
    if as_json:
        dump_json(asdict(done) | {"found": [garbage._asdict() for garbage in done.found]})
    else:
        print_sweep(console(), done)
    raise typer.Exit(EXIT_INCOMPLETE if done.message else EXIT_FINISHED)


def optimize(
    output: Output,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be joined.")] = False,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    unsafe_single_writer: UnsafeFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Join the table files of OUT into few large ones, sorted by document and page. The old ones go with `gc --tables`, later."""
    settings = resolved_for_output(config, set_, unsafe_single_writer=unsafe_single_writer)
    from pipeline.analytics.status import print_optimized
    from pipeline.lake.opening import open_output
    from pipeline.lake.rewriting import optimize as rewriting
    from pipeline.runner import new_run_id

    store = open_output(output, settings)
    if dry_run:
        done = rewriting.look(store, settings.output)
    else:
        done = rewriting.optimize(
            store,
            settings.output,
            run_id=f"optimize-{new_run_id()}",
            on_progress=lambda done: note(f"{done.num_files_before} files joined into {done.num_files_after}"),
        )
    if as_json:
        dump_json(asdict(done))
    else:
        print_optimized(console(), done)
    raise typer.Exit(EXIT_INCOMPLETE if done.message else EXIT_FINISHED)


def publish(
    output: Output,
    iceberg: Annotated[str, typer.Option("--iceberg", metavar="CATALOG", help="Catalog, as pyiceberg's configuration names it.")],
    namespace: Annotated[str, typer.Option("--namespace", help="Where the tables are in the catalog.")] = "pagefold",
    config: ConfigFlag = None,
    set_: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Register the committed files of OUT as Iceberg tables, where they lie. Incremental: repeat it after runs and optimize."""
    settings = resolved_for_output(config, set_)
    from pipeline.analytics import iceberg as publishing
    from pipeline.lake.opening import open_output

    store, catalog = open_output(output, settings), publishing.open_catalog(iceberg)
    everything = []
    for done in publishing.publish(store, catalog, namespace):
        everything.append(asdict(done))
        if not as_json:
            changed = f"{done.num_added} added, {done.num_removed} removed" if done.num_added or done.num_removed else "nothing new"
            console().print(f"{namespace}.{done.table}: {done.num_files} files, {changed}")
    if as_json:
        dump_json(everything)


def backfill(
    output: Output,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    unsafe_single_writer: UnsafeFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Fill `tables` and `table_cells` of an OUT that an older version wrote, from what was read then. Nothing is read anew."""
    settings = resolved_for_output(config, set_, unsafe_single_writer=unsafe_single_writer)
    from pipeline.lake.garbage import check_output
    from pipeline.lake.opening import open_output
    from pipeline.lake.tables.backfill import Backfill
    from pipeline.lake.tables.backfill import backfill as fill

    store = open_output(output, settings)
    check_output(store)
    done = Backfill()
    for so_far in fill(store, settings.output):
        done = so_far
    if as_json:
        dump_json(asdict(done))
        return
    if done.num_filled:
        console().print(f"{done.num_tables} tables with {done.num_cells} cells, in {done.num_filled} of {done.num_shards} shards.")
    else:
        console().print(f"Nothing to fill: all {done.num_shards} shards have their tables.")
