"""The engine `server` asks any OpenAI-compatible chat-completions endpoint: vLLM, SGLang, llama.cpp, Ollama, or a hosted one.

It uses httpx and not the openai package, because that brings retries of its own beside this engine's retries, back-pressure and
fallbacks.
"""

import asyncio
import json
import logging
import random
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from schemas.failure import FailureKind
from schemas.masking import MASK, masked
from schemas.settings import MEBI, EngineSettings
from workers.engines.engine import Completion, EngineStartError, Request
from workers.engines.server.chat import Dialect, error_message, failed_reply, read_reply, request_body, status_inside
from workers.engines.server.description import NO_ADDRESS, address_of, key_of, model_of, profile_of
from workers.engines.server.encode import data_url
from workers.engines.server.gateways import delay_in, is_quota
from workers.engines.server.http import httpx
from workers.engines.server.replies import Reply, fetch

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 15.0
BACKOFF_MIN_S = 0.5
BACKOFF_MAX_S = 30.0
RETRY_AFTER_MAX_S = 120.0
"""Longest pause that a server's `Retry-After` can cause."""
MODELS_MAX_BYTES = 8 * MEBI
"""Limit for the list of models. Large gateways need 1 MiB."""
REPLY_BYTES, TOKEN_BYTES = MEBI, 2048
"""Limit for an answer: TOKEN_BYTES per allowed token, and REPLY_BYTES more. With logprobs a token takes 150 to 700 bytes."""
_RETRIED = frozenset({408, 425, 429})
_NUM_ENCODERS = 2
_OTHER_FILES = 1024


async def list_models(settings: EngineSettings, *, timeout_s: float) -> list[str]:
    """The names of the models that the endpoint lists, for `pagefold doctor`. Raises EngineStartError if it gives no list."""
    engine = ServerEngine(settings.model_copy(update={"model": settings.model or "any"}))
    try:
        reply = await engine.ask_models(timeout_s)
        if reply.status != 200 or reply.trouble or not isinstance(reply.body, dict):
            raise EngineStartError(reply.trouble or f"it answers {reply.status}, and no list of models")
        return _served(reply)
    finally:
        await engine.close()


def _parsed(address: str) -> httpx.URL:
    try:
        return httpx.URL(address)
    except httpx.InvalidURL:
        raise EngineStartError(NO_ADDRESS) from None


class ServerEngine:
    """Sends each request at once. `workers.reading.request_limit` decides how many there are, and listens to `num_pushbacks`."""

    def __init__(self, settings: EngineSettings) -> None:
        server = settings.server
        url = _parsed(address_of(settings))
        self._settings = settings
        self._model = model_of(settings)
        self._key = key_of(settings)
        self._secrets = [text for text in (self._key, url.password) if text]
        self._host = f"{url.host}:{url.port}" if url.port else url.host
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(settings.timeout_s, connect=min(CONNECT_TIMEOUT_S, settings.timeout_s)),
            limits=httpx.Limits(max_connections=settings.most_requests, max_keepalive_connections=settings.most_requests),
        )
        self._profile = profile_of(settings)
        self._dialect = Dialect(response_format=server.response_format, extra=frozenset(self._profile.extra_body))
        self._pause = _Pause()
        self.num_pushbacks = 0
        """Times that the endpoint was asked too much: 429, 503, or no answer in time."""
        _allow_files(settings.most_requests)
        self._encoders = ThreadPoolExecutor(_NUM_ENCODERS, thread_name_prefix="encode")

    async def start(self) -> None:
        """Asks for the list of models. Raises EngineStartError if the server does not answer or refuses the key. A server without
        such a list is accepted."""
        reply = await self.ask_models(min(CONNECT_TIMEOUT_S, self._settings.timeout_s))
        if reply.status in (401, 403):
            raise EngineStartError(
                f"{self._host} refuses the key in {self._settings.server.api_key_env} ({reply.status})"
                f"{'' if self._key else ': the variable is not set'}."
            )
        if reply.status != 200 or reply.trouble:
            what = reply.trouble or f"it answers {reply.status}{_redirected(reply)}"
            _log.warning("%s was asked for its models: %s; going on", self._host, self._scrubbed(what))
            return
        served = _served(reply)
        if served and self._model not in served:
            await self._check_model(served)

    async def ask_models(self, timeout_s: float) -> Reply:
        """The reply to a request for the list of models. Raises EngineStartError if there is no answer."""
        try:
            async with asyncio.timeout(timeout_s):
                return await fetch(self._client, "GET", "models", max_bytes=MODELS_MAX_BYTES)
        except (TimeoutError, httpx.TransportError) as error:
            raise EngineStartError(f"No answer from {self._host}: {self._scrubbed(_named(error))}.") from error

    async def read(self, request: Request) -> Completion:
        """Asks the server; whatever it does is a completion. `engine_s` leaves out the wait for a free encoder."""
        start = time.monotonic()
        tries = _Tries()
        try:
            completion = await self._ask(request, tries)
        except _Passing as error:
            completion = failed_reply(error.kind, f"{error.message} ({tries.num} tries)")
        return replace(completion, num_tries=tries.num, engine_s=time.monotonic() - start - tries.queued_s)

    async def close(self) -> None:
        await self._client.aclose()
        self._encoders.shutdown(wait=False, cancel_futures=True)

    async def _encoded(self, request: Request, dialect: Dialect, tries: "_Tries") -> bytes:
        asked = time.monotonic()

        def timed() -> tuple[bytes, float]:
            started = time.monotonic()
            return self._content(request, dialect), started - asked

        content, queued_s = await asyncio.get_running_loop().run_in_executor(self._encoders, timed)
        tries.queued_s += queued_s
        return content

    async def _check_model(self, served: list[str]) -> None:
        """Raises EngineStartError if the server does not serve the model. It asks for one token to find out, because gateways also
        serve models that they do not list."""
        body = {"model": self._model, "messages": [{"role": "user", "content": "hi"}], self._dialect.limit_key: 1}
        with suppress(TimeoutError, httpx.TransportError):
            async with asyncio.timeout(self._settings.timeout_s):
                reply = await fetch(self._client, "POST", "chat/completions", max_bytes=MEBI, content=_dumped(body))
            if reply.status == 404:
                known = ", ".join(served[:5]) + (", …" if len(served) > 5 else "")
                raise EngineStartError(f"{self._host} does not serve `{self._model}`, but {known}.")

    async def _ask(self, request: Request, tries: "_Tries") -> Completion:
        """Asks until the dialect fits. Each round returns or makes the dialect looser, which ends."""
        while True:
            used = self._dialect
            reply = await self._post_until_answered(request, used, tries)
            if reply.status not in (400, 422):
                return self._outcome(reply)
            looser = used.looser(error_message(reply.body), request_body(request, self._model, "", used, self._profile))
            if looser is None:
                return self._outcome(reply)
            if self._dialect == used:  # else another request has made it looser already
                _log.warning("%s refuses a parameter, asking without it from now on: %s -> %s", self._host, used, looser)
                self._dialect = looser

    async def _post_until_answered(self, request: Request, dialect: Dialect, tries: "_Tries") -> Reply:
        """The reply to the request. Raises _Passing if every try failed for a reason that may pass."""
        content = await self._encoded(request, dialect, tries)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Passing),
            stop=stop_after_attempt(self._settings.max_tries),
            wait=_wait_s,
            reraise=True,
        )
        return await retrying(self._post, content, _max_bytes(request), tries)

    def _content(self, request: Request, dialect: Dialect) -> bytes:
        """What is sent. A request that waits for its answer keeps this alone, and not its image as a data URL."""
        image_format = self._profile.image_format or self._settings.server.image_format
        size = self._profile.fitted(request.image.width_px, request.image.height_px)
        image_url = data_url(request.image, image_format, size)
        return _dumped(request_body(request, self._model, image_url, dialect, self._profile))

    async def _post(self, content: bytes, max_bytes: int, tries: "_Tries") -> Reply:
        await self._pause.over()
        tries.num += 1
        try:
            async with asyncio.timeout(self._settings.timeout_s):  # httpx's own timeouts start again with every byte
                reply = await fetch(self._client, "POST", "chat/completions", max_bytes=max_bytes, content=content)
        except (TimeoutError, httpx.TimeoutException) as error:
            self.num_pushbacks += 1
            raise _Passing(FailureKind.engine_timeout, f"no answer within {self._settings.timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise _Passing(FailureKind.engine_unavailable, self._scrubbed(_named(error))) from error
        reply = _judged(reply)
        retry_after_s = _retry_after_s(reply.headers.get("Retry-After"))
        is_over = retry_after_s is None and is_quota(reply.body)  # who names a pause has a rate in mind, whatever else it says
        if (reply.status in _RETRIED and not is_over) or reply.status >= 500:
            self.num_pushbacks += reply.status in (429, 503)
            if retry_after_s is None and (said := delay_in(reply.body)) is not None:
                retry_after_s = min(said, RETRY_AFTER_MAX_S)
            if reply.status == 429:
                self._pause.extend(retry_after_s or BACKOFF_MIN_S)
            kind = FailureKind.throttled if reply.status == 429 else FailureKind.engine_unavailable
            raise _Passing(kind, self._said(reply), retry_after_s)
        return reply

    def _outcome(self, reply: Reply) -> Completion:
        if reply.status in (401, 403):
            variable = self._settings.server.api_key_env
            return failed_reply(FailureKind.engine_error, f"the endpoint refuses the key in {variable}: {self._said(reply)}")
        if reply.status in (402, 429):  # a 429 that waiting does not help
            return failed_reply(FailureKind.throttled, f"the endpoint's quota is used up: {self._said(reply)}")
        if redirected := _redirected(reply):
            return failed_reply(FailureKind.engine_error, self._scrubbed(f"HTTP {reply.status}{redirected}"))
        if reply.status != 200:
            return failed_reply(FailureKind.engine_error, self._said(reply))
        if reply.trouble:
            return failed_reply(FailureKind.engine_error, reply.trouble)
        if isinstance(reply.body, str):
            return failed_reply(FailureKind.engine_error, f"the reply is not JSON: {self._scrubbed(reply.text[:300])}")
        completion = read_reply(reply.body)
        if completion.failure is None:
            return completion
        failure = completion.failure.model_copy(update={"message": self._scrubbed(completion.failure.message)})
        return replace(completion, failure=failure)

    def _said(self, reply: Reply) -> str:
        return self._scrubbed(f"{reply.where} {reply.status}: {error_message(reply.body)[:400]}")

    def _scrubbed(self, message: str) -> str:
        """The message without secrets, because servers quote the key that they refuse."""
        for secret in self._secrets:
            message = message.replace(secret, MASK)
        return masked(message)


def _allow_files(num_connections: int) -> None:
    """Raises this process's own limit of open files, where so many connections would meet it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = num_connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


class _Passing(Exception):
    """A try failed for a reason that may pass."""

    def __init__(self, kind: FailureKind, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after_s = retry_after_s


class _Tries:
    num = 0
    queued_s = 0.0
    """Seconds of waiting for a free encoder."""


class _Pause:
    """Back-pressure: when the server asks one request to slow down, all requests wait."""

    def __init__(self) -> None:
        self._until = 0.0

    def extend(self, seconds: float) -> None:
        self._until = max(self._until, time.monotonic() + seconds)

    async def over(self) -> None:
        while (left := self._until - time.monotonic()) > 0:  # noqa: ASYNC110  (a time, not an event; it may have grown meanwhile)
            await asyncio.sleep(left + random.uniform(0, min(left, 1.0)))  # random, so that not all requests return at once


_full_jitter = wait_random_exponential(multiplier=BACKOFF_MIN_S, max=BACKOFF_MAX_S)


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    wait_s = _full_jitter(state)
    asked_s = error.retry_after_s if isinstance(error, _Passing) else None
    return wait_s if asked_s is None else asked_s + min(wait_s, 1.0)


def _retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a `Retry-After` header, which is a number or an HTTP date, at most RETRY_AFTER_MAX_S; None if it cannot be
    read."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        seconds = (then - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_S) if seconds == seconds else None  # not NaN


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _dumped(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _max_bytes(request: Request) -> int:
    return REPLY_BYTES + TOKEN_BYTES * request.max_output_tokens


def _judged(reply: Reply) -> Reply:
    """The reply with the status that its error names. Gateways answer 200 and put the real server's status into the error."""
    inside = status_inside(reply.body) if reply.status == 200 and not reply.trouble else None
    return reply if inside is None else replace(reply, status=inside, where="an error inside HTTP 200:")


def _redirected(reply: Reply) -> str:
    """Where a redirect leads, as a clause for the operator; "" for any other reply. Redirects are not followed, because they may
    lead the key and the pages to another host."""
    if not 300 <= reply.status < 400:
        return ""
    return f", a redirect to {reply.headers.get('Location', 'nowhere')}: engine.server.base_url has to name the endpoint itself"


def _served(reply: Reply) -> list[str]:
    body = reply.body
    models = body.get("data") if isinstance(body, dict) else None
    return [str(model["id"]) for model in models or () if isinstance(model, dict) and "id" in model]
