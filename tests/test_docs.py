"""The README is true: commands, settings, kinds, flags, columns, files and the pasted demo are those of the code."""

import os
import re

import pytest
from typer.main import get_command

from pipeline.cli import app
from pipeline.config import all_settings, resolve
from tests.refresh_readme import GENERATED, README, ROOT, demo_output, pasted_demo, refreshed, replaced, steady

TEXT = README.read_text("utf-8")


@pytest.mark.parametrize("name", GENERATED)
def test_generated_parts_are_up_to_date(name):
    assert replaced(TEXT, name, GENERATED[name]()) == TEXT, "run `make docs`"


def test_refreshing_twice_changes_nothing():
    assert refreshed(refreshed(TEXT)) == refreshed(TEXT)


def test_every_long_flag_of_every_command_stands_in_the_readme():
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


def test_links_into_the_repository_lead_somewhere():
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", TEXT) if "://" not in target]
    assert [target for target in targets if target and not (ROOT / target).exists()] == []
    assert len(targets) > 20


def test_links_inside_the_readme_lead_to_a_heading():
    headings = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
    assert [anchor for anchor in re.findall(r"\]\(#([^)]+)\)", TEXT) if anchor not in headings] == []


def test_the_settings_file_in_the_readme_is_accepted(tmp_path, monkeypatch):
    for setting in all_settings():
        monkeypatch.delenv(setting.env, raising=False)
    blocks = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.toml"
        file.write_text(block, "utf-8")
        resolve(file=file)


@pytest.mark.ray
@pytest.mark.slow
def test_the_pasted_demo_is_what_it_prints(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PAGEFOLD_")]:
        monkeypatch.delenv(name)
    assert steady(pasted_demo(TEXT)) == steady(demo_output()), "run `make docs DEMO=1` and read the difference"
