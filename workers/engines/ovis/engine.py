"""The engine `ovis`. One thread owns the model and batches all requests that are in flight."""

import asyncio
import functools
import logging
import os
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from schemas.failure import FailureKind
from schemas.settings import EngineSettings
from workers.engines.engine import Completion, EngineStartError, Request
from workers.engines.ovis.answers.completions import Completions, failed_request
from workers.engines.ovis.answers.thinking import close_thinking
from workers.engines.ovis.batching.drafting import Drafting, step_cost
from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.grammar import GrammarError, Grammars
from workers.engines.ovis.batching.scheduler import Scheduler
from workers.engines.ovis.batching.sequence import Picture, Sampling, Sequence
from workers.engines.ovis.batching.switch_interval import restore, shorten
from workers.engines.ovis.batching.token_cycles import find_cycle
from workers.engines.ovis.batching.watchdog import Watchdog
from workers.engines.ovis.checkpoint.files import read_json, read_preprocessor
from workers.engines.ovis.checkpoint.loading import load_model, read_tokenizer
from workers.engines.ovis.checkpoint.locate import locate
from workers.engines.ovis.decoding.decode_graphs import record_decode
from workers.engines.ovis.decoding.decoder import Decoder
from workers.engines.ovis.decoding.device import device_name, device_of, num_blocks
from workers.engines.ovis.decoding.kernels import choose_kernels
from workers.engines.ovis.description import number_format
from workers.engines.ovis.drafts.aligned_text import AlignedText, bare_tokens
from workers.engines.ovis.drafts.drafter import Drafter, FirstOf
from workers.engines.ovis.drafts.own_text import OwnText
from workers.engines.ovis.model.image_processor import ImageProcessor
from workers.engines.ovis.model.prompt import END_OF_THINKING, OUT_OF_THINKING_BUDGET, question, render, sanitise, tokenise
from workers.text.drafts import answer_like, as_written
from workers.text.loops import find_loop
from workers.usable_cpus import usable_cpus

log = logging.getLogger(__name__)

BROKEN_EXIT_CODE = 70
IDLE_WAIT_S = 0.05
MAX_DRAFT_FACTOR = 2
"""Most tokens of a draft, per token that the answer may have."""
MAX_CHARS_PER_TOKEN = 8
"""Characters of a draft that are looked at, per token."""


@dataclass(frozen=True)
class _Asked:
    """A request that a worker thread has prepared: pixels as patches, text as tokens."""

    picture: Picture
    prompt: list[int]
    prefix: list[int]
    matcher: Any
    drafter: Drafter | None


class OvisEngine:
    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._inbox: deque[Sequence] = deque()
        self._wake = threading.Condition()
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._watchdog: Watchdog | None = None

    async def start(self) -> str:
        """Loads and checks the model. Gives device, number format and cache size in words. Raises EngineStartError."""
        try:
            runs_on = await asyncio.to_thread(self._load)
        except EngineStartError as error:
            raise EngineStartError(str(error)) from error  # not a subclass: the driver searches a dead actor's text for this name
        except torch.OutOfMemoryError as error:
            raise EngineStartError(f"The model {self.settings.model} does not fit this GPU's memory.") from error
        self._workers = ThreadPoolExecutor(max(2, min(8, usable_cpus() // 2)), thread_name_prefix="ovis-prepare")
        if self.scheduler.decoder.device.type == "cuda":  # on a CPU a turn may take long, and does not hang
            self._watchdog = Watchdog(self.settings.timeout_s, self._hang)
        self._thread = threading.Thread(target=self._work, name="ovis", daemon=True)
        shorten()
        self._thread.start()
        return runs_on

    @property
    def device_s(self) -> float:
        """Seconds of encoding, prefill and decode steps: see `workers.engines.engine.OnDevice`."""
        statistics = self.scheduler.statistics
        return self.scheduler.encoder.seconds + statistics.prefill_s + statistics.decode_s

    async def close(self) -> None:
        """Cancels what is in flight and ends the thread."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None
            restore()
        if self._watchdog is not None:
            self._watchdog.close()
        if self._workers is not None:
            self._workers.shutdown(wait=False)  # requests in preparation fail, because the engine is closed

    async def read(self, request: Request) -> Completion:
        """Answers a request. An error becomes a failed completion; only cancelling raises. `engine_s` counts the time in the batch,
        because the queue before it may be as long as the run."""
        try:
            return await self._read(request, deadline=time.monotonic() + self.settings.timeout_s)
        except (GrammarError, ValueError, OSError, RuntimeError) as error:
            return replace(failed_request(request, FailureKind.engine_error, f"{type(error).__name__}: {error}"), engine_s=0.0)

    async def _read(self, request: Request, deadline: float) -> Completion:
        loop = asyncio.get_running_loop()
        budget = self._thinking_budget(request)
        asked = await loop.run_in_executor(self._workers, functools.partial(self._prepare, request, thinking=budget > 0))
        prompt, num_thought, thought = asked.prompt, 0, None
        flags: tuple[str, ...] = ()
        if budget:
            thought = await self._run(self._thought(asked, budget, request, deadline))
            num_thought = thought.num_new
            if thought.end not in ("stop", "length"):
                return self._completions.of_thought(request, thought)
            if num_thought >= request.max_output_tokens:
                cut = failed_request(request, FailureKind.truncated, "thinking used up the whole length limit")
                return replace(self._completions.of_thought(request, thought), stop_reason="length", failure=cut.failure)
            # An end token instead of `</think>` ends the thought, not the answer, which the grammar still asks for.
            said = [token for token in thought.new_tokens if token not in self._stops]
            closed = close_thinking(said, end=self._end_of_thinking, stops=(), out_of_budget=self._out_of_budget) or []
            # A thought that ended by itself is followed by the blank line that the forced text brings along.
            prompt = asked.prompt + closed + (self._blank_line if closed == said else [])
            flags = ("thought",)
        answer = Sequence(
            tokens=prompt + asked.prefix,
            pictures=(asked.picture,),
            max_new_tokens=request.max_output_tokens - num_thought,
            stops=self._stops,
            sampling=self._sampling(request),
            matcher=asked.matcher,
            drafter=asked.drafter,
            num_given=len(asked.prefix),
            is_loop=self._is_loop,
            deadline=deadline,
        )
        await self._run(answer)
        completion = self._completions.of_answer(request, answer, num_prompt=len(asked.prompt), thought=thought)
        return replace(completion, flags=(*completion.flags, *flags))

    # from requests to sequences

    def _prepare(self, request: Request, *, thinking: bool) -> _Asked:
        image = Image.frombytes("RGB", (request.image.width_px, request.image.height_px), request.image.rgb())
        patches = self.images.patches([image])
        # Of the packed pixels, which are a fifth of the patches' bytes. Requests about one image carry the same.
        digest = blake2b(request.image.pixels, digest_size=16, person=b"%dx%dx%d" % patches.grid).digest()
        picture = Picture(digest, patches.levels, patches.grid, patches.num_atoms)
        text = render([question(sanitise(request.prompt.text, self.tokenizer))], thinking=thinking)
        prompt = tokenise(text, self.tokenizer, [patches.num_atoms])
        prefix = self._encode(sanitise(request.answer_prefix, self.tokenizer)) if request.answer_prefix else []
        matcher = None
        if request.answer_schema is not None:
            matcher = self._grammars.matcher(request.answer_schema)
            if prefix and matcher.try_consume_tokens(prefix) < len(prefix):
                # The prefix begins no answer of this shape. A new answer without it is better than an error.
                matcher, prefix = self._grammars.matcher(request.answer_schema), []
        return _Asked(picture, prompt, prefix, matcher, self._drafter(request))

    def _drafter(self, request: Request) -> Drafter | None:
        """Who proposes the answer's tokens: an earlier answer, then the PDF's own words, then what the answer has said before."""
        if not self.settings.ovis.drafts:
            return None
        words = request.text_layer.words if request.text_layer else []
        likes = (as_written(request.draft), answer_like(words, is_json=request.answer_schema is not None))
        most = MAX_DRAFT_FACTOR * request.max_output_tokens
        tokens = [self._encode(text[: MAX_CHARS_PER_TOKEN * most])[:most] for text in likes if text]
        return FirstOf(*(AlignedText(each, self._bare, self._marks) for each in tokens), OwnText())

    def _thought(self, asked: _Asked, budget: int, request: Request, deadline: float) -> Sequence:
        """The sequence of a thought: free text up to `</think>`, sampled as the authors do it. The answer reuses its cached
        blocks."""
        defaults = self._defaults
        return Sequence(
            tokens=asked.prompt,
            pictures=(asked.picture,),
            max_new_tokens=min(budget, request.max_output_tokens),
            stops=frozenset((*self._stops, self._end_of_thinking)),
            sampling=Sampling(
                temperature=defaults.get("temperature") or 0.0,
                top_p=defaults.get("top_p") or 1.0,
                top_k=defaults.get("top_k") or 0,
                min_p=defaults.get("min_p") or 0.0,
                repetition_penalty=defaults.get("repetition_penalty") or 1.0,
                seed=seed_of(request, "thought"),
            ),
            deadline=deadline,
        )

    def _thinking_budget(self, request: Request) -> int:
        """Tokens of thinking for a request: only for a chart that is asked again, and not for an answer that continues a prefix."""
        may = request.task == "chart" and request.ask > 0 and not request.answer_prefix
        return self.settings.ovis.chart_thinking_tokens if may else 0

    def _sampling(self, request: Request) -> Sampling:
        is_sampled = request.temperature > 0
        return Sampling(
            temperature=request.temperature,
            top_p=(self._defaults.get("top_p") or 1.0) if is_sampled else 1.0,
            top_k=(self._defaults.get("top_k") or 0) if is_sampled else 0,
            min_p=(self._defaults.get("min_p") or 0.0) if is_sampled else 0.0,
            repetition_penalty=request.repetition_penalty,
            seed=seed_of(request, "answer"),
        )

    async def _run(self, sequence: Sequence) -> Sequence:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence] = loop.create_future()

        def settle() -> None:
            if not future.done():
                future.set_result(sequence)

        def done(_: Sequence) -> None:
            loop.call_soon_threadsafe(settle)

        sequence.done = done
        with self._wake:
            if self._is_closing:
                raise RuntimeError("the engine is closed")
            self._inbox.append(sequence)
            self._wake.notify()
        try:
            return await future
        except asyncio.CancelledError:
            sequence.is_cancelled = True
            raise

    def _is_loop(self, answer: list[int]) -> bool:
        """True if the token ids repeat, and the text is a loop by `workers.text.loops` as well."""
        return find_cycle(answer) is not None and find_loop(self.tokenizer.decode(answer, skip_special_tokens=True)) is not None

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    # the thread that owns the model

    def _load(self) -> str:
        settings = self.settings.ovis
        torch.set_num_threads(settings.num_threads or min(torch.get_num_threads(), usable_cpus()))
        device = device_of(self.settings)
        dtype = getattr(torch, number_format(self.settings))
        cache = Path(settings.cache_dir).expanduser() if settings.cache_dir is not None else None
        folder = locate(self.settings.model or "", self.settings.revision, cache_dir=cache)
        self.tokenizer = read_tokenizer(folder)
        self.model = model = load_model(folder, dtype=dtype, device=device)
        self.images = ImageProcessor(model.config.vit_config, read_preprocessor(folder))
        llm = model.config.llm_config
        generation = folder / "generation_config.json"
        self._defaults = read_json(generation) if generation.exists() else {}
        self._stops = frozenset(_ids(llm.eos_token_id) | _ids(self._defaults.get("eos_token_id")))
        if not self._stops:
            raise EngineStartError(f"{folder} names no end token (eos_token_id).")
        self._grammars = Grammars(self.tokenizer, llm.vocab_size, sorted(self._stops), usable_cpus())
        self._completions = Completions(self.tokenizer, self._grammars.tokenizer, self._stops, self.settings.timeout_s)
        self._end_of_thinking = self.tokenizer.convert_tokens_to_ids(END_OF_THINKING)
        self._out_of_budget, self._blank_line = self._encode(OUT_OF_THINKING_BUDGET), self._encode("\n\n")
        blocks = num_blocks(llm, settings, device, dtype, self.settings.num_gpus or 1.0)
        decoder = Decoder(model.llm, blocks, settings.kv_block_tokens)
        decoder.kernels = choose_kernels(decoder, model.config.vit_config, wanted=settings.attention)
        model.visual_tokenizer.vit.vision_model.encoder.attention = decoder.kernels.vision
        if settings.decode_graphs:
            decoder.recorded = record_decode(decoder, settings.max_batch, has_drafts=settings.drafts)
        drafting = Drafting(step_cost(decoder, settings.max_batch)) if settings.drafts else None
        self._bare, self._marks = bare_tokens(self.tokenizer.get_vocab())
        levels = torch.from_numpy(self.images.levels).to(device)
        encoder = ImageEncoder(model.embed_images, levels, settings.max_vision_ahead)
        self.scheduler = Scheduler(
            decoder, encoder, self._grammars, model.embed_prompt, max_batch=settings.max_batch, drafting=drafting
        )
        said = [device_name(device), str(dtype).removeprefix("torch."), f"cache of {blocks * settings.kv_block_tokens} tokens"]
        if device.type == "cuda":
            said += [f"attention {decoder.kernels}", "decode steps recorded" if decoder.recorded else "decode steps not recorded"]
        if drafting is not None:
            said.append(f"drafts above {drafting.cost.break_even(settings.max_batch):.0%} acceptance")
        return ", ".join(said)

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._inbox and self.scheduler.is_idle and not self._is_closing:
                    self._wake.wait()
                arrived, self._inbox = list(self._inbox), deque()
                if self._is_closing:
                    for sequence in [*arrived, *self.scheduler.in_flight]:
                        sequence.is_cancelled = True
            try:
                for sequence in arrived:
                    self.scheduler.add(sequence)
                with self._watchdog.turn() if self._watchdog is not None else nullcontext():
                    worked = self.scheduler.turn()
            except BaseException as error:  # noqa: BLE001  # a panic in Rust is no Exception; `_break` handles it
                self._break(error)
                return
            if self._is_closing and self.scheduler.is_idle:
                return
            if not worked:
                time.sleep(IDLE_WAIT_S)

    def _break(self, error: BaseException) -> None:
        """Ends the process, because after a sticky CUDA error, or a bug in this thread, every later call would fail. Ray starts
        another process, which reads what was in flight again. Begin markers find a page that causes this each time."""
        log.critical("the engine's thread broke", exc_info=error)
        logging.shutdown()
        os._exit(BROKEN_EXIT_CODE)

    def _hang(self) -> None:
        """Ends the process like `_break`, from the watchdog's thread: the engine's own waits for the GPU and never comes back."""
        log.critical("a step has not ended for %g s (engine.timeout_s): the GPU hangs", self.settings.timeout_s)
        logging.shutdown()
        os._exit(BROKEN_EXIT_CODE)


def seed_of(request: Request, part: str) -> int:
    """The seed of a request. The same request draws the same numbers, whatever else is in its batch."""
    return int.from_bytes(
        blake2b(f"{request.label}\0{request.task}\0{request.ask}\0{part}".encode(), digest_size=8).digest(), "big"
    )


def _ids(eos: int | list[int] | None) -> set[int]:
    return set() if eos is None else {eos} if isinstance(eos, int) else set(eos)
