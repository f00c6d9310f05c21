"""Every `pagefold` command in infra and compose is one that the command line takes, with settings that there are."""

import re

import pytest
from typer.main import get_command

from pipeline.cli import app
from pipeline.config import resolve
from schemas.errors import OperatorError
from tests.infra.files import INFRA, ROOT, commands

COMMANDS = list(commands())
COMMANDS_OF_THE_APP = get_command(app).commands  # type: ignore[attr-defined]


def parse(arguments: list[str]) -> dict[str, object]:
    """As the command line would, without running it. Raises KeyError: no such command; click's errors; OperatorError."""
    name, *rest = arguments
    parameters = COMMANDS_OF_THE_APP[name].make_context(name, rest).params
    flags = {"engine.name": parameters.get("engine"), "engine.model": parameters.get("model")}
    resolve(flags, parameters.get("set_") or (), None)
    return parameters


def test_there_are_commands():
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize(("where", "arguments"), COMMANDS, ids=[where for where, _ in COMMANDS])
def test_the_command_is_real(where, arguments):
    assert parse(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "in", "out", "--set", "engine.num_gpu=1"],
        ["run", "in", "out", "--set", "engine.max_actors=many"],
        ["run", "in", "out", "--gpus", "1"],
        ["run", "in"],
        ["fly", "in", "out"],
    ],
)
def test_a_planted_mistake_is_found(arguments):
    with pytest.raises(Exception) as caught:
        parse(arguments)
    assert isinstance(caught.value, OperatorError | KeyError) or "UsageError" in [
        type_.__name__ for type_ in type(caught.value).__mro__
    ]


def test_no_registry_or_mirror_is_named():
    """Images and packages come from wherever the deployer's machine gets them."""
    files = [path for path in INFRA.rglob("*") if path.is_file()] + [ROOT / "docker-compose.yml", ROOT / ".dockerignore"]
    text = "\n".join(path.read_text("utf-8") for path in files)
    images = re.findall(r"(?:^\s*-?\s*image:|^FROM|_IMAGE=)\s*[\"']?([\w./:@${}-]+)", text, re.MULTILINE)
    assert len(images) > 5
    assert [image for image in images if "/" in image and re.search(r"[.:]", image.partition("/")[0])] == []
    assert re.findall(r"(?:index-url|find-links)[ =]\S*//\S+", text) == []
