"""Parses JSON as models write it: it repairs errors that have only one reading, and cuts the value where the text stops.

One pass over the tokens writes clean JSON, which the standard library parses. It takes time linear in the length of the text
(possessive patterns) and bounds the depth. pydantic_core.from_json(allow_partial) does not do: it keeps an unfinished number (`12`
of `125`), refuses trailing commas, line breaks in strings and lone surrogates, and loses duplicated keys and the digits of numbers.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_DEPTH = 32
"""Most brackets inside each other. An answer needs 5."""

_TOKEN = re.compile(
    r"""\s*+(?:
      (?P<string>"(?:[^"\\]|\\.)*+")
    | (?P<single>'(?:[^'\\]|\\.)*+'(?=\s*+[,:}\]]))
    | (?P<open>[{\[]) | (?P<close>[}\]]) | (?P<comma>,) | (?P<colon>:)
    | (?P<number>-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?(?=[\s,}\]]))
    | (?P<word>(?:-?Infinity|NaN|null|true|false|None|True|False|undefined)(?=[\s,}\]]))
    )""",
    re.VERBOSE | re.DOTALL,
)
_UNFINISHED_STRING = re.compile(r'\s*+"((?:[^"\\]|\\.)*+)\\?\Z', re.DOTALL)
_UNFINISHED_WORD = re.compile(r"\s*+[-+\w.]*+\s*+", re.ASCII)
_UNFINISHED_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(\\(u[0-9a-fA-F]{0,3})?)?)\Z")
_WORDS = {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false"}
_ESCAPE = re.compile(r"\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|u|[^u]|\Z)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class NumberText(str):
    """A number of the JSON, as the text of its digits."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """A JSON object as pairs in their order, with duplicated keys."""


class NotJson(ValueError):
    """The text is no JSON. The message is for a person."""


@dataclass(frozen=True)
class Loaded:
    value: Any
    """Pairs, list, str, NumberText, bool or None."""
    end: int
    """Position in the text after the value."""
    is_partial: bool
    is_repaired: bool
    is_unclosed: bool
    """True if the value is partial, but only its outermost closing bracket is missing."""


def load(text: str, *, keep_unfinished: bool = True) -> Loaded:
    """The JSON object or array that `text` starts with.

    If the text ends inside it, finished values are kept (`is_partial`). An unfinished number or literal is never kept, an
    unfinished string only with `keep_unfinished`. Raises NotJson.
    """
    cleaner = _Cleaner(text)
    cleaner.run(keep_unfinished)
    try:
        value = json.loads(
            "".join(cleaner.out), object_pairs_hook=Pairs, parse_float=NumberText, parse_int=NumberText, parse_constant=_refuse
        )
    except ValueError as error:
        raise NotJson(f"the answer is not JSON: {error}") from None
    return Loaded(value, cleaner.position, cleaner.is_partial, cleaner.is_repaired, cleaner.is_unclosed)


class _Cleaner:
    """Goes over the tokens once. `out` is clean JSON up to `position`; open brackets are closed at the end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.out: list[str] = []
        self.position = 0
        self.open: list[str] = []
        self.last = ""
        """Kind of the last token."""
        self.safe = (0, 0)
        """Length of `out` and number of open brackets after the last finished value."""
        self.is_partial = False
        self.is_repaired = False
        self.is_unclosed = False

    def run(self, keep_unfinished: bool) -> None:
        while True:
            match = _TOKEN.match(self.text, self.position)
            if match is None:
                self._end(keep_unfinished)
                return
            self.position = match.end()
            kind = str(match.lastgroup)
            self._take(kind, match.group(kind))
            if not self.open:
                return

    def _take(self, kind: str, token: str) -> None:
        if kind == "open":
            self.open.append(token)
            if len(self.open) > MAX_DEPTH:
                raise NotJson(f"the answer is nested deeper than {MAX_DEPTH}")
        elif kind == "close":
            if not self.open or (self.open.pop() == "{") != (token == "}"):
                raise NotJson(f"the answer is not JSON: unexpected {token!r} at {self.position}")
            self._drop_comma()
        elif not self.open:
            raise NotJson("the answer holds no JSON object")
        elif kind in ("string", "single"):
            token = self._string(token)
        elif kind == "word":
            self.is_repaired |= token not in ("true", "false", "null")
            token = _WORDS.get(token, "null")
        is_key = self._expects_key()
        self.out.append(token)
        self.last = kind
        if kind == "open" or (kind in ("close", "string", "single", "number", "word") and not is_key):
            self.safe = (len(self.out), len(self.open))

    def _expects_key(self) -> bool:
        return bool(self.open) and self.open[-1] == "{" and self.last in ("open", "comma")

    def _drop_comma(self) -> None:
        if self.last == "comma":
            self.out.pop()
            self.is_repaired = True

    def _string(self, token: str) -> str:
        if token[0] == "'":
            self.is_repaired = True
            token = '"' + re.sub(r"""\\.|\"""", _requote, token[1:-1], flags=re.DOTALL) + '"'
        clean = clean_string(token)
        self.is_repaired |= clean != token
        return clean

    def _end(self, keep_unfinished: bool) -> None:
        """Closes the value where the text stops inside it. Raises NotJson if other text follows."""
        if not self.open:
            raise NotJson("the answer holds no JSON object")
        rest = self.text[self.position :]
        self.is_unclosed = not rest.strip() and len(self.open) == 1 and self.last == "close"
        unfinished = _UNFINISHED_STRING.match(rest)
        if rest.strip() and not unfinished and not _UNFINISHED_WORD.fullmatch(rest):
            raise NotJson(f"the answer is not JSON: unexpected {rest.strip()[:20]!r} at {self.position}")
        if unfinished and keep_unfinished and not self._expects_key():
            self.out.append(clean_string('"' + _UNFINISHED_ESCAPE.sub("", unfinished.group(1)) + '"'))
        else:
            length, depth = self.safe
            del self.out[length:]
            del self.open[depth:]
        self.out += ["}" if bracket == "{" else "]" for bracket in reversed(self.open)]
        self.position = len(self.text)
        self.is_partial = True


def clean_string(token: str) -> str:
    """The JSON string token in a form that every parser accepts: raw control characters are escaped, backslashes that begin no
    escape are doubled (`\\lambda`), lone surrogates become U+FFFD."""
    if "\\" in token:
        token = _ESCAPE.sub(_clean_escape, token)
    if _CONTROL.search(token):
        token = _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", token)
    return _SURROGATE.sub("\ufffd", token)


def _clean_escape(match: re.Match[str]) -> str:
    escape = match.group(1)
    if len(escape) == 5 and escape[1:3].lower() in ("d8", "d9", "da", "db", "dc", "dd", "de", "df"):
        return "\\ufffd"
    return match.group() if len(escape) > 1 or escape in tuple('"\\/bfnrt') else "\\\\" + escape


def _requote(match: re.Match[str]) -> str:
    """The replacement for a quote or escape inside a single-quoted string."""
    return {'"': '\\"', "\\'": "'"}.get(match.group(), match.group())


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
