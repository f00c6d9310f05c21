"""Commands that look at what there is: the tables, the machine, the dictionary."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.commands.answers import ParamFlag, values_of
from pipeline.commands.flags import (
    BaseUrlFlag,
    ConfigFlag,
    EngineFlag,
    JsonFlag,
    ModelFlag,
    Output,
    RayFlag,
    SetFlag,
    failure_kinds,
    resolved,
)
from pipeline.commands.output import console, dump_json, hint_at_empty
from schemas.errors import EXIT_FINISHED, EXIT_INCOMPLETE, OperatorError


def status(
    output: Output,
    is_brief: Annotated[bool, typer.Option("--brief", help="Only the lease and the plan; no table is read.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Is a run at work on OUT, how far is it, and how did the last ones end? Exit code 1 when the last one died."""
    from pipeline.analytics.status import print_status, read_status

    state = read_status(output, is_brief=is_brief)
    if as_json:
        dump_json(asdict(state) | {"heartbeat": state.heartbeat and state.heartbeat.model_dump()})
    else:
        print_status(console(), state)
    raise typer.Exit(EXIT_INCOMPLETE if state.state == "dead" else EXIT_FINISHED)


def failures(
    output: Output,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; repeatable.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """What could not be read and is still open, why, and what to do about it."""
    kinds = failure_kinds(kind)
    from pipeline.analytics.result_formats import Format, write_rows
    from pipeline.analytics.status import open_failures, print_failures

    rows = open_failures(output, kinds)
    if as_json:
        write_rows(rows.to_reader(), sys.stdout, Format.jsonl)
    else:
        print_failures(console(), rows, output)
    hint_at_empty(output, rows.num_rows)


def sql(
    output: Output,
    dialect: Annotated[str, typer.Option("--dialect", help="duckdb, athena or spark; dbt: a sources.yml.")] = "duckdb",
    name: Annotated[str | None, typer.Option("--query", help="Print this ready question instead; `list` names them.")] = None,
    param: ParamFlag = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="First ingest_date that Athena looks for; 2026-01-01 by default.")
    ] = None,
) -> None:
    """Print the tables and views of OUT as SQL for another engine, or a ready question."""
    if since is not None and (dialect != "athena" or name is not None):
        raise OperatorError("--since is for the tables of Athena: it takes --dialect athena, and no --query.")
    if param and name is None:
        raise OperatorError("--param gives a value to a ready question: it takes --query.")
    from pipeline.analytics.dialects import SINCE, check_dialect, check_since, preferred_recipes, present_tables, render_sql
    from pipeline.analytics.questions import find_question, questions

    if dialect == "dbt":
        if name is not None:
            raise OperatorError("--dialect dbt prints the tables and views as its sources: it takes no --query.")
        from pipeline.analytics.dbt_sources import render_sources

        sys.stdout.write(render_sources(output))
        return
    check_dialect(dialect)
    if name == "list":
        text = "".join(f"{question.name:<20} {question.sentence}\n" for question in questions().values())
    elif name is not None:
        text = find_question(name).sql(dialect, values_of(param))
    else:
        first = check_since(since or SINCE)
        tables = present_tables(output, dialect)
        text = render_sql(output, dialect, since=first, tables=tables, preferred=preferred_recipes(output))
    sys.stdout.write(text)


def schema(
    table: Annotated[str | None, typer.Option("--table", help="Only this table or view.")] = None,
    document: Annotated[bool, typer.Option("--document", help="The JSON Schema of document.json, as `export` writes it.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """The data dictionary: every table and view, every column, its type and what it says."""
    if document:
        from pipeline.documents.model import ReadDocument

        dump_json(ReadDocument.model_json_schema(mode="serialization"))
        return
    from pipeline.analytics.dictionary import print_dictionary
    from pipeline.analytics.view_columns import dictionary

    entries = dictionary(table)
    if as_json:
        dump_json(entries)
    else:
        print_dictionary(console(), entries)


def doctor(
    input: Annotated[str | None, typer.Argument(metavar="[IN]", help="Also check that this input can be read.")] = None,
    output: Annotated[str | None, typer.Argument(metavar="[OUT]", help="Also check that this output can be written.")] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Also start Ray and run a task.")] = False,
    no_trial: Annotated[bool, typer.Option("--no-trial", help="Do not ask the endpoint to read a trial page.")] = False,
    engine: EngineFlag = None,
    model: ModelFlag = None,
    base_url: BaseUrlFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    ray_address: RayFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Check this machine, the engine, the input and the output. Exit code 1 when something would stop a run."""
    settings = resolved(engine, model, base_url, None, None, None, config, set_, ray_address)
    from pipeline.doctor import examine, print_findings

    findings = list(examine(settings, input, output, with_ray=ray, with_trial=not no_trial))
    if as_json:
        dump_json([finding._asdict() for finding in findings])
    else:
        print_findings(console(), findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)
