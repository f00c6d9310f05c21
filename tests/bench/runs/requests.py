"""How well endpoints of so many slots are filled, where the requests at once follow what the endpoint can do.

    python -m tests.bench requests --slots 16 80 256 1000
    python -m tests.bench requests --http --slots 16 80          # through the engine `server` and a real HTTP server

Each slot works on one request at a time, for `--latency` seconds; what comes beyond them waits. Without `--http` the endpoint is a
pause in this process, and all of them are asked side by side. A request through HTTP takes 14 ms of CPU, client and server
together, so that 250 a second would need a machine of their own. Printed is the share of the slots' time that was used from the
second `--since` on, that from the first request on, and where the limit ended.
"""

import argparse
import asyncio
import time
from typing import Any

from schemas.settings import EngineSettings
from tests.servers.fake_openai import FakeOpenAI, running
from tests.workers.made_pages import image
from workers.engines.engine import Completion, Engine, Prompt, Request
from workers.engines.server.engine import ServerEngine
from workers.reading.request_limit import PushesBack, Requests

REQUEST = Request("a.pdf#page=0", "ocr", image(64, 64), Prompt("Read.", "1"), None, max_output_tokens=100)


class Slots:
    """An endpoint that is a pause."""

    num_pushbacks = 0

    def __init__(self, slots: int, latency_s: float) -> None:
        self._slots, self._latency_s = asyncio.Semaphore(slots), latency_s
        self.ends: list[float] = []

    async def start(self) -> None: ...

    async def read(self, _: Request) -> Completion:
        async with self._slots:
            await asyncio.sleep(self._latency_s)
            self.ends.append(time.monotonic())
            return Completion("{}")

    async def close(self) -> None: ...


async def ask(engine: Engine, most: int, seconds: float) -> int:
    """Asks for so long, with always more work than places. Gives the limit at the end."""
    requests = Requests(most, is_adaptive=isinstance(engine, PushesBack))
    end = time.monotonic() + seconds

    async def asker() -> None:
        while True:
            entered = await requests.enter()
            try:
                completion = await engine.read(REQUEST)
                assert completion.failure is None, completion.failure
            finally:
                requests.leave(entered, engine.num_pushbacks if isinstance(engine, PushesBack) else 0)

    askers = [asyncio.create_task(asker()) for _ in range(most + most // 2)]
    done, _ = await asyncio.wait(askers, timeout=end - time.monotonic(), return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
    limit = requests.limit
    for task in askers:
        task.cancel()
    await asyncio.gather(*askers, return_exceptions=True)
    await engine.close()
    return limit


def used(ends: list[float], slots: int, latency_s: float, since: float, until: float) -> float:
    """Share of the slots' time between two moments in which they worked: a request has its slot until its end."""
    spans = ((max(end - latency_s, since), min(end, until)) for end in ends)
    return sum(max(0.0, end - start) for start, end in spans) / (slots * (until - since))


async def in_process(slots: int, arguments: Any) -> None:
    engine, start = Slots(slots, arguments.latency), time.monotonic()
    limit = await ask(engine, 2 * slots + 256, arguments.seconds)
    tell(slots, engine.ends, start, limit, arguments)


def through_http(slots: int, arguments: Any) -> None:
    with running(FakeOpenAI(slots=slots, latency_s=arguments.latency, keeps_requests=False)) as endpoint:
        most = 2 * slots + 256
        server = {"name": "server", "model": "ovis", "server": {"base_url": endpoint.url}, "max_requests": most}
        limit = asyncio.run(ask(ServerEngine(EngineSettings.model_validate(server)), most, arguments.seconds))
        tell(slots, endpoint.ends, min(endpoint.times), limit, arguments)


def tell(slots: int, ends: list[float], start: float, limit: int, arguments: Any) -> None:
    until = start + arguments.seconds - arguments.latency  # what was at work at the end has no end
    late, whole = (used(ends, slots, arguments.latency, since, until) for since in (start + arguments.since, start))
    print(
        f"{slots:6} slots: {late:4.0%} used, {whole:4.0%} from the start; limit {limit} (64: {min(1, 64 / slots):.0%})", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, nargs="+", default=[16, 80, 256, 1000])
    parser.add_argument("--latency", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--since", type=float, default=60.0)
    parser.add_argument("--http", action="store_true")
    arguments = parser.parse_args()
    if arguments.http:
        for slots in arguments.slots:
            through_http(slots, arguments)
    else:

        async def side_by_side() -> None:
            await asyncio.gather(*(in_process(slots, arguments) for slots in arguments.slots))

        asyncio.run(side_by_side())


if __name__ == "__main__":
    main()
