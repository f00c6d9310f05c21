import asyncio
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rapidocr.utils.process_img import ResizeImgError

from schemas.answers import ChartAnswer, OcrAnswer
from schemas.failure import Task
from schemas.page import PageImage
from schemas.settings import EngineSettings
from workers.answers.parse import parse_answer
from workers.engines.engine import EngineStartError, Request
from workers.engines.scripted import GARBAGE, ScriptedEngine, describe
from workers.reading.prompts import prompt_for

IMAGE = PageImage.from_rgb(1, 1, b"\0\0\0")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.json"


def settings(script: Path | None, body: dict[str, Any] | None = None, timeout_s: float = 5) -> EngineSettings:
    if script is not None and body is not None:
        script.write_text(json.dumps(body))
    return EngineSettings.model_validate({"name": "scripted", "timeout_s": timeout_s, "scripted": {"script": script}})


def request(label: str = "s3://drop/a.pdf#page=0", task: Task = "ocr", ask: int = 0) -> Request:
    return Request(label, task, IMAGE, prompt_for(task), None, max_output_tokens=100, ask=ask)


async def test_without_a_script_answers_follow_from_the_name_alone() -> None:
    engine = ScriptedEngine(settings(None))

    here = await engine.read(request("s3://drop/a.pdf#page=3"))
    there = await engine.read(request("/local/folder/a.pdf#page=3"))
    chart = await engine.read(request("s3://drop/a.pdf#page=3&region=0", task="chart"))

    assert here.text == there.text
    text, data = (parse_answer(task, one.text, is_complete=True).answer for task, one in (("ocr", here), ("chart", chart)))
    assert isinstance(text, OcrAnswer)
    assert "a.pdf#page=3" in here.text
    assert isinstance(data, ChartAnswer)
    assert len(data.rows) == 2


@pytest.mark.parametrize(
    ("rule", "asked", "is_matched"),
    [
        ({"label": "*.pdf#page=0"}, request(), True),
        ({"label": "*.png*"}, request(), False),
        ({"regex": r"page=[01]$"}, request(), True),
        ({"regex": r"page=1$"}, request(), False),
        ({"task": "chart"}, request(), False),
        ({"ask": 1}, request(), False),
        ({"ask": 1, "task": "ocr"}, request(ask=1), True),
    ],
)
async def test_a_rule_matches_by_label_task_and_ask(script: Path, rule: dict[str, Any], asked: Request, is_matched: bool) -> None:
    engine = ScriptedEngine(settings(script, {"rules": [rule | {"answer": "said"}]}))

    assert ((await engine.read(asked)).text == "said") == is_matched


async def test_the_first_rule_that_has_times_left_wins(script: Path) -> None:
    rules = [{"times": 2, "answer": "first"}, {"answer": {"chart": "none"}}]
    engine = ScriptedEngine(settings(script, {"rules": rules}))

    said = [(await engine.read(request())).text for _ in range(3)]

    assert said == ["first", "first", '{"chart": "none"}']


async def test_faults_do_what_they_say(script: Path) -> None:
    rules = [{"ask": ask, "fault": fault} for ask, fault in enumerate(("garbage", "truncate", "loop", "hang", "raise"))]
    engine = ScriptedEngine(settings(script, {"rules": rules}, timeout_s=0.05))
    whole = (await engine.read(request(ask=9))).text

    garbage, cut, loop, hung = [await engine.read(request(ask=ask)) for ask in range(4)]

    assert garbage.text == GARBAGE
    assert (cut.text, cut.stop_reason) == (whole[: len(whole) // 2], "length")
    assert (loop.stop_reason, len(loop.text), loop.text.count("very same words") > 2) == ("length", 400, True)
    assert hung.failure is not None
    assert hung.failure.kind == "engine_timeout"
    with pytest.raises(RuntimeError, match="scripted bug"):
        await engine.read(request(ask=4))


@pytest.mark.parametrize(
    ("name", "kind"), [("MemoryError", MemoryError), ("rapidocr.utils.process_img.ResizeImgError", ResizeImgError)]
)
async def test_it_raises_what_the_script_names(script: Path, name: str, kind: type[Exception]) -> None:
    engine = ScriptedEngine(settings(script, {"rules": [{"fault": "raise", "error": name}]}))

    with pytest.raises(kind, match="scripted bug"):
        await engine.read(request())


@pytest.mark.parametrize("name", ["NoSuchError", "no_such_module.Error"])
def test_an_error_that_is_none_is_the_operator_s_mistake(script: Path, name: str) -> None:
    with pytest.raises(EngineStartError, match="names an error that is none"):
        ScriptedEngine(settings(script, {"rules": [{"fault": "raise", "error": name}]}))


async def test_a_scripted_failure_is_no_exception(script: Path) -> None:
    engine = ScriptedEngine(settings(script, {"rules": [{"failure": "refused"}]}))

    completion = await engine.read(request())

    assert completion.failure is not None
    assert completion.failure.kind == "refused"


async def test_delays_do_not_hold_up_others(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedEngine(settings(script, {"delay_s": 0.2}))
    delays: list[float] = []
    all_wait = asyncio.Event()

    async def sleep(seconds: float) -> None:
        delays.append(seconds)
        if len(delays) == 20:
            all_wait.set()
        await all_wait.wait()

    monkeypatch.setattr("workers.engines.scripted.asyncio", SimpleNamespace(sleep=sleep))

    await asyncio.wait_for(asyncio.gather(*(engine.read(request()) for _ in range(20))), 60)

    assert delays == [0.2] * 20


@pytest.mark.slow
def test_a_process_that_is_told_to_end_does_so_only_as_often_as_told(script: Path, tmp_path: Path) -> None:
    settings(script, {"counters": str(tmp_path / "counts"), "rules": [{"fault": "exit", "exit_code": 7, "times": 2}]})
    program = """
import asyncio, sys
from pathlib import Path
from schemas.page import PageImage
from schemas.settings import EngineSettings
from workers.engines.engine import Prompt, Request
from workers.engines.scripted import ScriptedEngine
engine = ScriptedEngine(EngineSettings.model_validate({"name": "scripted", "scripted": {"script": sys.argv[1]}}))
async def main():
    await engine.start()
    await engine.read(Request("a", "ocr", PageImage.from_rgb(1, 1, b"000"), Prompt("", ""), None, 10))
asyncio.run(main())
"""
    runs = [subprocess.run([sys.executable, "-c", program, str(script)], timeout=240, check=False) for _ in range(3)]

    assert [run.returncode for run in runs] == [7, 7, 0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "cannot be read: No such file"),
        ("{", "Invalid JSON"),
        ('{"rule": []}', "rule: Extra inputs"),
        ('{"rules": [{"fault": "explode"}]}', r"rules\.0\.fault"),
        ('{"rules": [{"regex": "("}]}', "broken regex"),
    ],
)
def test_a_broken_script_is_one_sentence(script: Path, body: str | None, message: str) -> None:
    if body is not None:
        script.write_text(body)
    with pytest.raises(EngineStartError, match=message) as raised:
        describe(settings(script))
    assert "\n" not in str(raised.value)


def test_another_script_is_another_recipe(script: Path) -> None:
    one = describe(settings(script, {"delay_s": 1}))
    other = describe(settings(script, {"delay_s": 2}))

    assert one != other
    assert one == describe(settings(script, {"delay_s": 1}))
