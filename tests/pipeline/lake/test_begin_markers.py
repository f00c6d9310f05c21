"""Begin markers and the gate: what distinguishes a poison page from its neighbours."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.lake.begin_markers import Begins
from pipeline.object_store.local_store import LocalStore


def test_what_was_begun_and_not_ended_is_counted(tmp_path: Path) -> None:
    begins = Begins(LocalStore(str(tmp_path)), "run-1")

    _, first = begins.begin("000001", 0, "chunk")
    _, second = begins.begin("000001", 0, "chunk")
    marker, third = begins.begin("000001", 0, "chunk")
    begins.end(marker)
    _, fourth = begins.begin("000001", 0, "chunk")

    assert (first, second, third, fourth) == (0, 1, 2, 2)


def test_what_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    begins = Begins(store, "run-1")

    marker, _ = begins.begin("000001", 0, "chunk")
    begins.end(marker)

    assert begins.begin("000001", 0, "chunk")[1] == 0


def test_begins_of_a_killed_run_say_nothing_about_the_chunk(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    for _ in range(3):
        Begins(store, "run-1").begin("000001", 0, "chunk")

    assert Begins(store, "run-2").begin("000001", 0, "chunk")[1] == 0


def test_one_alone_waits_for_the_others_and_holds_back_those_after_it() -> None:
    from pipeline.stages.gate import Gate

    events: list[str] = []

    async def reader(name: str, gate: Gate, may_leave: asyncio.Event, leaves: asyncio.Event) -> None:
        async with gate.shared():
            events.append(f"{name} in")
            await may_leave.wait()
            events.append(f"{name} out")
            leaves.set()

    async def loner(gate: Gate) -> None:
        async with gate.alone():
            events.append("alone in")
            await asyncio.sleep(0.01)
            events.append("alone out")

    async def scene() -> None:
        gate = Gate()
        go, b_left, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(reader("a", gate, b_left, gone))
            group.create_task(reader("b", gate, go, b_left))
            await asyncio.sleep(0)
            group.create_task(loner(gate))
            await asyncio.sleep(0)
            group.create_task(reader("late", gate, go, gone))
            await asyncio.sleep(0)
            go.set()

    asyncio.run(scene())

    assert events == ["a in", "b in", "b out", "a out", "alone in", "alone out", "late in", "late out"]


def test_the_answer_of_one_that_was_alone_has_time_to_leave_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.stages.gate import LINGER_S, Gate

    async def reads(gate: Gate) -> None:
        async with gate.alone():
            pass

    async def scene() -> None:
        later: list[tuple[float, Callable[[], None]]] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda *call: later.append(call))
        gate = Gate()
        await reads(gate)
        following = asyncio.create_task(reads(gate))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not following.done()

        ((seconds, is_over),) = later
        is_over()
        await following

        assert seconds == LINGER_S

    asyncio.run(scene())
