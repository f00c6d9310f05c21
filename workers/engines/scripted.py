"""The engine `scripted` answers from a file, with chosen delays and faults, for tests and benchmarks.

The script is JSON. The first rule that matches a request (and has `times` left) decides what happens. Without a matching rule the
answer is made from the label alone, so that two runs over the same files give the same tables:

    {
      "counters": "/some/folder",            # keeps counts of `times` after the process has died; by default they end with it
      "delay_s": 0.0,                        # of every answer without a rule
      "rules": [
        {"label": "*.pdf#page=3", "fault": "exit", "times": 1},              # the first time, the process ends
        {"regex": "page=[12]$", "task": "ocr", "fault": "garbage"},
        {"task": "chart", "ask": 0, "answer": {"chart": "none"}},
        {"label": "*slow*", "delay_s": 2.5},                                 # the default answer, later
        {"label": "*", "failure": "engine_timeout"}
      ]
    }

`label` is a glob over the whole label `<uri>#page=<page_index>[&region=<region_index>]`, and `regex` is searched in it. `answer` is
text, or JSON that is written as text. The faults are:

- `raise`: raises `error`, a builtin exception by its name, or a library's as `module.Class`, as a bug of the engine would.
- `unstorable`: gives the answer with a figure that no table can hold, so that encoding its chunk raises.
- `exit`: ends the process by os._exit with `exit_code`.
- `hang`: waits until `engine.timeout_s`, then gives the failure `engine_timeout`.
- `garbage`: gives text that is no JSON.
- `truncate`: gives half of the answer, stopped by length.
- `loop`: gives the answer's beginning, then the same words up to the length limit.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import re
import time
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from schemas.failure import Failure, FailureKind, Task
from schemas.frozen import Frozen
from schemas.settings import EngineSettings
from workers.engines.engine import Completion, EngineInfo, EngineStartError, Request, StopReason

GARBAGE = "I am sorry, but \x1b[31m{{{ this is no answer"
CHARS_PER_TOKEN = 4


class Rule(Frozen):
    label: str = "*"
    regex: str | None = None
    task: Task | None = None
    ask: int | None = None
    times: int | None = Field(None, ge=1)
    """Number of requests for which the rule holds. Later ones go to the next rule that matches."""

    answer: str | dict[str, Any] | None = None
    """None for the default answer."""
    stop_reason: StopReason = "stop"
    delay_s: float = Field(0, ge=0)
    fault: Literal["raise", "hang", "exit", "unstorable", "garbage", "truncate", "loop"] | None = None
    error: str = "RuntimeError"
    exit_code: int = 1
    failure: FailureKind | None = None
    flags: list[str] = []

    def matches(self, request: Request) -> bool:
        return (
            fnmatchcase(request.label, self.label)
            and (self.regex is None or re.search(self.regex, request.label) is not None)
            and self.task in (None, request.task)
            and self.ask in (None, request.ask)
        )


class Script(Frozen):
    counters: Path | None = None
    delay_s: float = Field(0, ge=0)
    rules: list[Rule] = []


@dataclass(frozen=True)
class _Loaded:
    script: Script
    sha256: str


def describe(settings: EngineSettings) -> EngineInfo:
    """Describes the engine. The script is part of the recipe."""
    return EngineInfo(
        name="scripted",
        model=settings.model,
        revision=settings.revision,
        takes_prompts=False,
        options={"script_sha256": _load(settings.scripted.script).sha256},
    )


def make(settings: EngineSettings) -> "ScriptedEngine":
    return ScriptedEngine(settings)


def portable(settings: EngineSettings) -> EngineSettings:
    """The settings with the script itself in place of its path, because other machines do not have the file."""
    if settings.scripted.script is None:
        return settings
    scripted = settings.scripted.model_copy(update={"script": _body(settings.scripted.script).decode("utf-8", "replace")})
    return settings.model_copy(update={"scripted": scripted})


class ScriptedEngine:
    def __init__(self, settings: EngineSettings) -> None:
        self._script = _load(settings.scripted.script).script
        self._timeout_s = settings.timeout_s
        self._counts: dict[int, int] = {}

    async def start(self) -> None:
        if self._script.counters is not None:
            await asyncio.to_thread(self._script.counters.mkdir, parents=True, exist_ok=True)

    async def read(self, request: Request) -> Completion:
        start = time.monotonic()
        rule = self._rule(request) or Rule(delay_s=self._script.delay_s)
        if rule.fault == "hang":
            await asyncio.sleep(self._timeout_s)
            return _failed(FailureKind.engine_timeout, f"no answer within {self._timeout_s:g} s")
        await asyncio.sleep(rule.delay_s)
        if rule.fault == "raise":
            raise _error_class(rule.error)(f"scripted bug at {request.label}")
        if rule.fault == "exit":
            os._exit(rule.exit_code)
        if rule.failure is not None:
            return _failed(rule.failure, "as scripted")
        text, stop_reason = _said(rule, request)
        completion = Completion(
            text=text,
            stop_reason=stop_reason,
            num_prompt_tokens=100,
            num_output_tokens=len(text) // CHARS_PER_TOKEN,
            flags=tuple(rule.flags),
            engine_s=time.monotonic() - start,
        )
        return replace(completion, mean_logprob="no figure") if rule.fault == "unstorable" else completion  # type: ignore[arg-type]

    async def close(self) -> None:
        pass

    def _rule(self, request: Request) -> Rule | None:
        for index, rule in enumerate(self._script.rules):
            if rule.matches(request) and (rule.times is None or self._count(index) <= rule.times):
                return rule
        return None

    def _count(self, index: int) -> int:
        """How often rule `index` has matched, this time included. A counter file gets one byte per match, before anything else
        happens."""
        if self._script.counters is None:
            self._counts[index] = self._counts.get(index, 0) + 1
            return self._counts[index]
        with (self._script.counters / f"rule-{index}").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(b".")
            file.flush()
            return os.fstat(file.fileno()).st_size


def default_answer(request: Request) -> str:
    """An answer made from the last part of the label, so that a page has the same answer wherever its folder lies."""
    name = request.label.rpartition("/")[2]
    if request.task == "ocr":
        return _dumped({"languages": ["en"], "blocks": [{"paragraph": f"Scripted text of {name}."}]})
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    rows = [["first", str(digest[0])], ["second", str(digest[1])]]
    return _dumped({"chart": "bar", "title": name, "x_kind": "category", "printed": "all", "series": ["scripted"], "rows": rows})


def _said(rule: Rule, request: Request) -> tuple[str, StopReason]:
    text = rule.answer if isinstance(rule.answer, str) else _dumped(rule.answer) if rule.answer else default_answer(request)
    if rule.fault == "garbage":
        return GARBAGE, "stop"
    if rule.fault == "truncate":
        return text[: len(text) // 2], "length"
    if rule.fault == "loop":
        text = text.rstrip('"]} \n') + " and then the very same words again" * request.max_output_tokens
        return text[: request.max_output_tokens * CHARS_PER_TOKEN], "length"
    return text, rule.stop_reason


def _failed(kind: FailureKind, message: str) -> Completion:
    return Completion(stop_reason="error", failure=Failure(stage="read", kind=kind, message=message))


def _dumped(answer: dict[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False)


def _load(given: str | Path | None) -> _Loaded:
    if given is None:
        return _Loaded(Script(), "")
    body = _body(given)
    name = str(given)[:200]
    try:
        script = Script.model_validate_json(body)
        for rule in script.rules:
            re.compile(rule.regex or "")
            _error_class(rule.error)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "its text"
        raise EngineStartError(f"The script {name} is none: {place}: {first['msg']}.") from error
    except re.error as error:
        raise EngineStartError(f"The script {name} has a broken regex: {error}.") from error
    except (ImportError, AttributeError) as error:
        raise EngineStartError(f"The script {name} names an error that is none: {error}.") from error
    return _Loaded(script, hashlib.sha256(body).hexdigest())


def _error_class(name: str) -> type[BaseException]:
    module, _, attribute = name.rpartition(".")
    found: type[BaseException] = getattr(import_module(module or "builtins"), attribute)
    return found


def _body(given: str | Path) -> bytes:
    """The script's bytes: of the file, or of the setting if that is the JSON itself."""
    if str(given).startswith("{"):
        return str(given).encode()
    try:
        return Path(given).read_bytes()
    except OSError as error:
        raise EngineStartError(f"The script {given} cannot be read: {error.strerror}.") from error
