"""The dialects of OpenAI's chat completions: builds requests, decides what to leave out after a refusal, parses replies. No I/O."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from schemas.failure import Failure, FailureKind, clean_message
from workers.engines.engine import Completion, Request, StopReason
from workers.engines.profiles.profile import Profile

ResponseFormat = Literal["json_schema", "json_object", "text"]

_LOOSER: dict[ResponseFormat, ResponseFormat] = {"json_schema": "json_object", "json_object": "text"}
_FORMAT_WORDS = ("response_format", "response format", "json_schema", "json_object", "guided", "structured output", "grammar")
_UNKNOWN_WORDS = ("supported", "unrecognized", "unknown", "permitted", "extra", "invalid", "instead", "allowed")

_THROTTLED_WORDS = ("rate limit", "rate_limit", "ratelimit", "too many requests", "too_many_requests", "throttl", "exhausted")
_UNAVAILABLE_WORDS = (
    "overloaded",
    "server_error",
    "internal server error",
    "bad gateway",
    "gateway timeout",
    "service unavailable",
    "service_unavailable",
    "temporarily unavailable",
)

_MOST = 2**53
"""Larger figures in a reply are ignored."""

_CUT = frozenset({"length", "model_length", "max_tokens", "max_output_tokens"})
"""Finish reasons of an answer that hit a limit: OpenAI's, Mistral's for the model's context, and those that gateways pass on from
Anthropic and Google."""
_BROKEN_OFF = dict.fromkeys(("error", "abort", "tool_calls", "function_call"), FailureKind.engine_error)
_BROKEN_OFF["insufficient_system_resource"] = FailureKind.engine_unavailable
"""Those of an answer that is none. The last is DeepSeek's."""


@dataclass(frozen=True)
class Dialect:
    """What a server is known to accept. A dialect only becomes looser, so repeated asking ends."""

    response_format: ResponseFormat
    limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    logprobs: bool = True
    penalty_key: Literal["repetition_penalty", "frequency_penalty"] | None = "repetition_penalty"
    temperature: bool = True
    extra: frozenset[str] = frozenset()
    """Names of the profile's further fields that the server takes."""

    def looser(self, message: str, body: dict[str, Any]) -> "Dialect | None":
        """The dialect to try after a 400 or 422 to `body` with `message`; None if the refusal has another reason.

        vLLM's "'max_tokens' … is too large … maximum context length" is about the request and not about the dialect.
        """
        text = message.lower()
        if "context length" in text or "context_length" in text:
            return None
        is_unknown = any(word in text for word in _UNKNOWN_WORDS)
        if self.limit_key == "max_tokens" and "max_completion_tokens" in text and is_unknown:
            return replace(self, limit_key="max_completion_tokens")
        if "logprobs" in body and "logprob" in text:
            return replace(self, logprobs=False)
        for key in ("repetition_penalty", "frequency_penalty"):
            if key in body and key in text:
                return replace(self, penalty_key="frequency_penalty" if key == "repetition_penalty" else None)
        if "response_format" in body and any(word in text for word in _FORMAT_WORDS):
            return replace(self, response_format=_LOOSER[self.response_format])
        for key in sorted(self.extra):
            if key in text and is_unknown:
                return replace(self, extra=self.extra - {key})
        if "temperature" in body and "temperature" in text and is_unknown:
            return replace(self, temperature=False)
        return None


def request_body(request: Request, model: str, image_url: str, dialect: Dialect, profile: Profile) -> dict[str, Any]:
    """The body of a request. `Request.label` is not sent, and `answer_prefix` neither, because the protocol cannot continue a
    prefix."""
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": image_url}}]
    if request.prompt.text:
        parts.insert(len(parts) if profile.image_first else 0, {"type": "text", "text": request.prompt.text})
    system = [{"role": "system", "content": profile.system}] if profile.system else []
    body: dict[str, Any] = {"model": model, "messages": [*system, {"role": "user", "content": parts}]}
    body |= {key: value for key, value in profile.extra_body.items() if key in dialect.extra}
    if profile.top_p is not None:
        body["top_p"] = profile.top_p
    if profile.stop:
        body["stop"] = profile.stop
    body[dialect.limit_key] = request.max_output_tokens
    if dialect.temperature:
        body["temperature"] = request.temperature
    if dialect.logprobs:
        body["logprobs"] = True
    if request.repetition_penalty > 1 and dialect.penalty_key == "repetition_penalty":
        body["repetition_penalty"] = request.repetition_penalty
    elif request.repetition_penalty > 1 and dialect.penalty_key == "frequency_penalty":
        body["frequency_penalty"] = round(4 * (request.repetition_penalty - 1), 3)  # additive: 1.05 -> 0.2, 1.1 -> 0.4
    if request.answer_schema is not None and dialect.response_format != "text":
        body["response_format"] = _response_format(request, dialect.response_format)
    return body


def _response_format(request: Request, response_format: ResponseFormat) -> dict[str, Any]:
    if response_format == "json_object":
        return {"type": "json_object"}
    schema = {"name": f"{request.task}_answer", "strict": True, "schema": request.answer_schema}
    return {"type": "json_schema", "json_schema": schema}


def read_reply(reply: Any) -> Completion:
    """The completion in the JSON of a 200. Anything unexpected is a failure of this request. Invalid numbers count as missing.

    Without content (null or missing) the text is empty, which the reader does not accept as an answer.
    """
    try:
        choice = reply["choices"][0]
        message = choice["message"]
        text = _text(message.get("content"))
        finish_reason = str(choice.get("finish_reason")).lower()
    except (TypeError, KeyError, IndexError, AttributeError):
        return failed_reply(FailureKind.engine_error, f"the reply holds no answer: {str(_error_of(reply))[:300]}")
    usage = reply.get("usage") if isinstance(reply.get("usage"), dict) else {}
    num_prompt, num_output = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if finish_reason == "content_filter" or (message.get("refusal") and not text):
        said = str(message.get("refusal") or "the content filter stopped the answer")
        return replace(failed_reply(FailureKind.refused, said, text), num_prompt_tokens=num_prompt, num_output_tokens=num_output)
    if finish_reason in _BROKEN_OFF:
        return failed_reply(_BROKEN_OFF[finish_reason], f"the answer ended with finish_reason {finish_reason}", text)
    stop_reason: StopReason = "length" if finish_reason in _CUT else "stop"
    if not text and _error_of(reply) is not reply:
        return failed_reply(FailureKind.engine_error, f"the reply holds no answer: {str(_error_of(reply))[:300]}")
    mean, least = _logprobs(choice.get("logprobs"))
    return Completion(
        text=text,
        stop_reason=stop_reason,
        num_prompt_tokens=num_prompt,
        num_output_tokens=num_output,
        mean_logprob=mean,
        min_logprob=least,
    )


def status_inside(reply: Any) -> int | None:
    """The HTTP status for which an error inside a 200 stands; None without an error, or if the error names no status.

    Gateways put it into `error.code` of the reply or of its choice; others say it in words.
    """
    error = _error_in(reply)
    if error is None:
        return None
    named = [error.get(key) for key in ("code", "status", "status_code", "type", "message")] if isinstance(error, dict) else [error]
    for value in named:
        if str(value).isdecimal() and len(str(value)) == 3 and 400 <= int(str(value)) < 600:
            return int(str(value))
    words = " ".join(value for value in named if isinstance(value, str)).lower()
    if any(word in words for word in _THROTTLED_WORDS):
        return 429
    return 503 if any(word in words for word in _UNAVAILABLE_WORDS) or named[1:2] == ["UNAVAILABLE"] else None


def _error_in(reply: Any) -> dict[str, Any] | str | None:
    if not isinstance(reply, dict):
        return None
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    found = reply.get("error") or (reply if reply.get("object") == "error" else None)
    found = found or (first.get("error") if isinstance(first, dict) else None)
    return found if isinstance(found, (dict, str)) and found else None


def failed_reply(kind: FailureKind, message: str, text: str = "") -> Completion:
    failure = Failure(stage="read", kind=kind, message=clean_message(message), raw_text=text or None)
    return Completion(text=text, stop_reason="error", failure=failure)


def _text(content: Any) -> str:
    """The text of a message's content: a string, the text parts of a list, or "" for None."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    if content is None or isinstance(content, str):
        return content or ""
    raise TypeError("content is no text")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else None


def _logprobs(given: Any) -> tuple[float | None, float | None]:
    """Mean and minimum over tokens with a letter or digit. JSON's punctuation is nearly certain, and would only raise the mean."""
    tokens = given.get("content") if isinstance(given, dict) else None
    values = [
        float(token["logprob"])
        for token in (tokens if isinstance(tokens, list) else ())
        if isinstance(token, dict)
        and isinstance(token.get("logprob"), (int, float))
        and -_MOST < token["logprob"] < _MOST  # leaves out NaN, and integers too large for a float
        and any(char.isalnum() for char in str(token.get("token", "")))
    ]
    return (sum(values) / len(values), min(values)) if values else (None, None)


def error_message(body: Any) -> str:
    """The message in an error reply, in the shapes that servers use: {"error": {"message": …}}, {"error": …}, {"detail": …}."""
    error = _error_of(body)
    if isinstance(error, dict):
        error = error.get("message", error)
    return str(error)


def _error_of(body: Any) -> Any:
    if isinstance(body, dict):
        for key in ("error", "message", "detail"):
            if body.get(key):
                return body[key]
    return body
