"""The README files are true: commands, settings, kinds, flags, columns, files and the pasted demo are those of the code."""

import os
import re
from functools import cache

import pytest
from typer.main import get_command

from pipeline.cli import app
from pipeline.config import all_settings, resolve
from pipeline.lake import paths
from pipeline.lake.lease import LEASE
from pipeline.lake.preferences import PREFERRED
from schemas.failure import KINDS
from schemas.tables import COLUMNS
from tests.bench.__main__ import ALL, benchmarks, module_of
from tests.refresh_readme import GENERATED, PAGES, ROOT, WHERE, demo_output, pasted_demo, refreshed, replaced, steady
from workers.engines.profiles.profile import parse_profile

TEXTS = {page: path.read_text("utf-8") for page, path in PAGES.items()}
TEXT = "\n".join(TEXTS.values())


def links(page: str) -> list[str]:
    """Where the page's links into the repository lead."""
    prose = re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.DOTALL | re.MULTILINE)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in target]


@cache
def sources(*folders: str) -> str:
    """The text of all Python files below folders."""
    return "\n".join(path.read_text("utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py"))


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings, which stand outside of code."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.slow
def test_generated_parts_are_up_to_date(name):
    text = TEXTS[WHERE[name]]
    assert replaced(text, name, GENERATED[name]()) == text, "run `make docs`"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.slow
def test_refreshing_twice_changes_nothing(page):
    once = refreshed(page, TEXTS[page])
    assert refreshed(page, once) == once


def test_the_first_page_is_one_that_is_read_to_its_end():
    assert len(TEXTS["README.md"].splitlines()) <= 250


def test_every_folder_s_page_begins_with_a_map_and_the_first_page_leads_to_it():
    folders = [page for page in PAGES if page != "README.md"]
    assert [page for page in folders if re.findall(r"^## (.*)$", TEXTS[page], re.MULTILINE)[:1] != ["The rooms"]] == []
    assert [page for page in folders if page not in links("README.md")] == []


def test_every_part_of_a_folder_s_page_is_listed_at_its_top():
    for page in [page for page in PAGES if page != "README.md"]:
        top, _, _ = TEXTS[page].partition("On this page:")[2].partition("\n\n")
        titles = re.findall(r"^## (.*)$", re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
        listed = re.findall(r"\]\(#([^)]*)\)", top)
        assert listed == [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles if title != "The rooms"], (
            page
        )


def test_every_package_stands_on_the_map_of_its_folder():
    for folder in ("pipeline", "workers"):
        (rooms,) = re.findall(r"^## The rooms\n\n```text\n(.*?)```", TEXTS[f"{folder}/README.md"], re.DOTALL | re.MULTILINE)
        packages = [path.parent for path in (ROOT / folder).rglob("__init__.py") if path.parent != ROOT / folder]
        assert [package.name for package in packages if not re.search(rf" {package.name}/", rooms)] == []


def test_every_file_of_schemas_stands_on_its_map():
    (rooms,) = re.findall(r"^## The rooms\n\n```text\n(.*?)```", TEXTS["schemas/README.md"], re.DOTALL | re.MULTILINE)
    files = {path.name for path in (ROOT / "schemas").glob("*.py")} - {"__init__.py"}
    assert [name for name in sorted(files) if not re.search(rf" {name}\b", rooms)] == []


@pytest.mark.parametrize("page", ["README.md", "schemas/README.md"])
def test_every_table_stands_in_the_tree_of_a_lake(page):
    (tree,) = re.findall(r"^```text\nlake/\n(.*?)```", TEXTS[page], re.DOTALL | re.MULTILINE)
    assert [table for table in COLUMNS if f" {table}/" not in tree] == []
    inside = [paths.PLANS, paths.STAGING, paths.BEGINS, paths.MANIFESTS, paths.SNAPSHOTS, paths.REWRITES, LEASE, PREFERRED]
    if page == "schemas/README.md":
        assert [name for name in inside if f" {name.removeprefix('_pagefold/')}" not in tree] == []


def test_every_table_with_flags_is_named_where_the_flags_are_explained():
    _, _, flags = TEXTS["schemas/README.md"].partition("\n## Flags\n")
    tables = [table for table, columns in COLUMNS.items() if any(column.name == "flags" for column in columns)]
    assert [table for table in tables if f"`{table}.flags`" not in flags.partition("<!--")[0]] == []


def test_what_pages_and_failures_call_a_setting_is_one():
    known = {setting.name for setting in all_settings()}
    sections = {name.rpartition(".")[0] for name in known}
    heads = "|".join(sorted({name.partition(".")[0] for name in known}))
    texts = TEXT + " ".join(info.what_to_do + info.meaning for info in KINDS.values())
    named = set(re.findall(rf"(?:`|--set )((?:{heads})\.[a-z_.]+[a-z])\b", texts))
    files = {name for name in named if name.endswith((".py", ".json", ".yaml", ".log"))}
    assert len(named) > 100
    assert named - files - known - sections == {"ray.util.metrics"}


def test_kinds_that_wait_for_a_setting_say_that_retry_reads_them():
    waiting = {kind: info.what_to_do for kind, info in KINDS.items() if "raise" in info.what_to_do and not info.is_transient}
    assert len(waiting) > 4
    assert [kind for kind, text in waiting.items() if "`pagefold retry`" not in text] == []


@pytest.mark.parametrize("command", ["watch", "submit"])
def test_the_flags_of_run_that_another_command_lacks_are_named(command):
    def flags(name: str) -> set[str]:
        of = get_command(app).commands[name]  # type: ignore[attr-defined]
        return {option for parameter in of.params for option in parameter.opts if option.startswith("--")}

    (named,) = re.findall(rf"`{command}` takes the flags of `run` but ([^.]*)", TEXTS["pipeline/README.md"])
    assert set(re.findall(r"--[a-z-]+", named)) == flags("run") - flags(command)


def test_every_long_flag_of_every_command_stands_in_the_docs():
    flags = {
        option
        for command in get_command(app).commands.values()  # type: ignore[attr-defined]
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert sorted(flag for flag in flags if flag not in TEXT) == []


def test_no_part_speaks_of_commands_or_flags_that_are_not():
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"^(?:\.venv/bin/)?pagefold ([a-z]+)", TEXT, re.MULTILINE)) | set(
        re.findall(r"`pagefold ([a-z]+)", TEXT)
    )
    assert named - commands == set()


def test_flags_beside_a_command_are_its_own():
    of_commands = {
        name: {option for parameter in command.params for option in parameter.opts} | {"--help"}
        for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
    }
    named = re.findall(rf"pagefold ({'|'.join(of_commands)})\b([^`#\n]*)", TEXT)
    beside = {(name, flag) for name, rest in named for flag in re.findall(r"(?<!\S)--[a-z-]+", rest)}
    assert len(beside) > 40
    assert [(name, flag) for name, flag in sorted(beside) if flag not in of_commands[name]] == []


def test_flags_beside_a_benchmark_or_a_campaign_are_its_own():
    files = benchmarks() | {path.stem: path for path in (ROOT / "tests" / "faults").glob("*.py")}
    named = re.findall(r"tests\.(?:bench|faults)[ .]([a-z_]+)([^`|)\n]*)", TEXT)
    beside = {(name, flag) for name, rest in named for flag in re.findall(r"(?<!\S)--[a-z0-9-]+", rest)}
    assert len(beside) > 10
    assert [(name, flag) for name, flag in sorted(beside) if f'"{flag}"' not in files[name].read_text("utf-8")] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_into_the_repository_lead_somewhere(page):
    folder = PAGES[page].parent
    targets = [target.partition("#")[0] for target in links(page)]
    assert [target for target in targets if not (folder / target).exists()] == []
    assert len(targets) > 3


@pytest.mark.parametrize("page", PAGES)
def test_links_to_a_part_of_a_page_lead_to_a_heading(page):
    folder = PAGES[page].parent
    for target in links(page):
        file, hash_, anchor = target.partition("#")
        if hash_:
            path = folder / file if file else PAGES[page]
            assert anchor in anchors(path.read_text("utf-8")), target


def test_what_the_program_says_of_the_docs_names_a_page():
    named = re.findall(r"[\w/]*README(?:\.md)?", sources("schemas", "workers", "pipeline"))
    assert named
    assert set(named) <= PAGES.keys()


def test_benchmarks_and_campaigns_that_are_named_are_there():
    commands = "\n".join([TEXT, sources("schemas", "workers", "pipeline"), sources("tests/bench"), (ROOT / "Makefile").read_text()])
    named = set(re.findall(r"tests\.bench (?!import )([a-z_]+)", commands))
    assert len(named) > 30
    assert named - benchmarks().keys() == set()
    modules = {module_of(name) for name, *_ in ALL} | set(re.findall(r"-m[\s\",]+(tests(?:\.\w+)+)", commands))
    files = [ROOT / module.replace(".", "/") for module in modules]
    assert [file for file in files if not (file / "__main__.py").is_file() and not file.with_suffix(".py").is_file()] == []


def test_every_benchmark_answers_help():
    """By its source, for importing all of them takes a minute. `counted_run` is `pagefold` itself, which answers."""
    parses = re.compile(r"ArgumentParser\(.*\.parse_args\(", re.DOTALL)
    assert [name for name, path in benchmarks().items() if not parses.search(path.read_text("utf-8"))] == ["counted_run"]


def test_the_settings_files_in_the_docs_are_accepted(tmp_path, monkeypatch):
    for setting in all_settings():
        monkeypatch.delenv(setting.env, raising=False)
    blocks = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.toml"
        file.write_text(block, "utf-8")
        if block.startswith("name = "):
            assert parse_profile(block, file.name).name
        else:
            resolve(file=file)


@pytest.mark.ray
@pytest.mark.slow
def test_the_pasted_demo_is_what_it_prints(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PAGEFOLD_")]:
        monkeypatch.delenv(name)
    assert steady(pasted_demo(TEXTS["README.md"])) == steady(demo_output()), "run `make docs DEMO=1` and read the difference"
