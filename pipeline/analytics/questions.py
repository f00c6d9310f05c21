"""Ready questions over the views: a file of SQL each in `queries/`, for DuckDB, Athena and Spark alike.

Its first line says what it answers. Lines below it say its parameters: `-- $name = 'value': what it is`. A parameter is a text, and
stands in the SQL as `$name`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from schemas.errors import OperatorError

_PARAMETER = re.compile(r"^-- \$(\w+) = '(.*?)': (.*)$", re.MULTILINE)
_PLACE = re.compile(r"\$(\w+)")

_SAID = {
    "duckdb": (("CARDINALITY(", "LEN("), ("ARRAY_JOIN(", "ARRAY_TO_STRING(")),
    "spark": (
        ("JOIN UNNEST(", "JOIN LATERAL EXPLODE("),
        ("\\", "\\\\"),
        (
            "ARRAY_AGG(words.text ORDER BY words.word_index)",
            "TRANSFORM(ARRAY_SORT(COLLECT_LIST(STRUCT(words.word_index, words.text))), word -> word.text)",
        ),
    ),
}
"""What questions say, and how a dialect says it."""


class Parameter(NamedTuple):
    name: str
    default: str
    description: str


@dataclass(frozen=True)
class Question:
    name: str
    text: str
    """Of its file."""

    @property
    def sentence(self) -> str:
        return self.text.partition("\n")[0].removeprefix("-- ")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(Parameter(*found) for found in _PARAMETER.findall(self.text))

    def sql(self, dialect: str, values: Mapping[str, str] | None = None) -> str:
        """With each parameter's value, or its default, as a literal. Raises OperatorError for a parameter that it does not have,
        and for a text where the default is a number.

        Written for Athena. DuckDB counts a list's items and joins them by other names; Spark makes rows of a list by another,
        sorts a list once it is made, and its texts have escapes.
        """
        known = {parameter.name: parameter.default for parameter in self.parameters}
        for name in values or {}:
            if name not in known:
                raise OperatorError(f"the question {self.name} has no parameter {name!r}; it has {', '.join(known) or 'none'}.")
        chosen = known | dict(values or {})
        for name, value in chosen.items():
            if _is_number(known[name]) and not _is_number(value):
                raise OperatorError(f"the parameter {name} of {self.name} is a number, such as {known[name]}, not {value!r}.")
        head, body = self._parts()
        for written, said in _SAID.get(dialect, ()):
            body = body.replace(written, said)
        return head + _PLACE.sub(lambda found: _literal(chosen[found[1]], dialect), body)

    def _parts(self) -> tuple[str, str]:
        """Its comment, and the rest."""
        lines = self.text.splitlines(keepends=True)
        first = next(index for index, line in enumerate(lines) if not line.startswith("--"))
        return "".join(lines[:first]), "".join(lines[first:])


def _is_number(value: str) -> bool:
    return re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", value) is not None


def _literal(value: str, dialect: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'") if dialect == "spark" else value.replace("'", "''")
    return f"'{escaped}'"


@cache
def questions() -> dict[str, Question]:
    """By name."""
    folder = files("pipeline.analytics").joinpath("queries")
    names = sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {name: Question(name, folder.joinpath(f"{name}.sql").read_text("utf-8")) for name in names}


def find_question(name: str) -> Question:
    """Raises OperatorError where there is none of that name."""
    known = questions()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        others = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
        raise OperatorError(f"there is no question {name!r}; {others}")
    return known[name]


def print_questions(console: Console, output: str) -> None:
    """Each with a sentence, and below it its parameters with what they are by default."""
    for question in questions().values():
        console.print(Text(question.name, "bold cyan"))
        console.print(Text(f"  {question.sentence}"), soft_wrap=True)
        for parameter in question.parameters:
            value = f"{parameter.name}='{parameter.default}'"
            console.print(Text.assemble(("  --param ", "dim"), f"{value}  ", (parameter.description, "dim")), soft_wrap=True)
    console.print()
    console.print(Text(f"Ask one: pagefold ask {output} {next(iter(questions()))} --param NAME=VALUE"), soft_wrap=True)
