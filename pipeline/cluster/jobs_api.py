"""The part of Ray's Jobs API that `pagefold submit` needs, in plain HTTP, so that the submitting machine needs no Ray."""

import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from schemas.errors import OperatorError
from schemas.frozen import Frozen
from schemas.masking import masked, masked_url

_TIMEOUT_S = 30.0
_ENDED = {"SUCCEEDED", "FAILED", "STOPPED"}
_TOKEN, _TOKEN_PATH = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
"""Ray's environment variables for the token of a cluster with token authentication, and for the file that holds the token."""


class Job(Frozen, extra="ignore"):
    submission_id: str | None = None
    """None for a driver that was not submitted through the Jobs API."""
    status: str
    message: str | None = None
    driver_exit_code: int | None = None
    """None while the job runs, and after it was killed."""

    @property
    def reason(self) -> str | None:
        """The first line of Ray's reason for the status; None if the driver exited by itself; its log has the reason then."""
        return None if self.driver_exit_code is not None else (self.message or "").strip().partition("\n")[0] or None

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED


class Unreachable(Exception):
    """The head did not answer, or answered with a server error. The message is a clause without capital and full stop."""


def _token() -> str | None:
    """Finds the token in Ray's own order. Raises OperatorError if its file cannot be read, as Ray's own tools do."""
    path = os.environ.get(_TOKEN_PATH)
    if (token := os.environ.get(_TOKEN)) or not path:
        return token
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The file {path}, which {_TOKEN_PATH} names, cannot be read: {error}.") from None


class JobsApi:
    """The jobs of one cluster. Every method raises Unreachable if a later try may succeed, and OperatorError if it would not."""

    def __init__(self, address: str, transport: httpx.BaseTransport | None = None) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OperatorError(f"The address {masked_url(address)} is none of a Ray dashboard, such as http://head:8265.")
        self._address = address.rstrip("/")
        token = _token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=self._address, headers=headers, timeout=_TIMEOUT_S, transport=transport)

    def jobs(self) -> list[Job]:
        return self._parsed(TypeAdapter(list[Job]), self._asked("GET", "/api/jobs/"))

    def job(self, submission_id: str) -> Job | None:
        """The job, or None if the cluster does not know it."""
        reply = self._asked("GET", f"/api/jobs/{submission_id}", may_be_missing=True)
        return None if reply.status_code == 404 else self._parsed(TypeAdapter(Job), reply)

    def log(self, submission_id: str) -> str:
        """All that the job has printed so far."""
        reply = self._asked("GET", f"/api/jobs/{submission_id}/logs", may_be_missing=True)
        return "" if reply.status_code == 404 else str(reply.json().get("logs") or "")

    def submit(self, submission_id: str, entrypoint: str, runtime_env: dict[str, Any], metadata: dict[str, str]) -> None:
        """Submits the job. A job that is there already is no error, because the reply to an earlier try may have been lost."""
        body = {"entrypoint": entrypoint, "submission_id": submission_id, "runtime_env": runtime_env, "metadata": metadata}
        try:
            self._asked("POST", "/api/jobs/", json=body)
        except (Unreachable, OperatorError):
            if self.job(submission_id) is None:
                raise

    def upload(self, package: bytes) -> str:
        """Uploads a zip for a runtime environment, unless the cluster has the same bytes, and gives its URI."""
        name = f"_ray_pkg_{hashlib.sha256(package).hexdigest()[:20]}.zip"
        path = f"/api/packages/gcs/{name}"
        if self._asked("GET", path, may_be_missing=True).status_code == 404:
            self._asked("PUT", path, content=package)
        return f"gcs://{name}"

    def _asked(self, method: str, path: str, *, may_be_missing: bool = False, **request: Any) -> httpx.Response:
        try:
            reply = self._client.request(method, path, **request)
        except httpx.TransportError as error:
            raise Unreachable(f"no Ray cluster answers at {masked_url(self._address)}: {masked(str(error))}") from error
        if reply.is_success or (may_be_missing and reply.status_code == 404):
            return reply
        said = (reply.text.strip().splitlines() or [""])[-1][:300]
        if reply.status_code in (401, 403):
            raise OperatorError(
                f"The cluster at {masked_url(self._address)} wants another token than {_TOKEN} or {_TOKEN_PATH} names: {said}."
            )
        if reply.status_code == 404:
            raise OperatorError(f"What answers at {masked_url(self._address)} has no Jobs API: Ray's head needs ray[default].")
        if reply.status_code >= 500:
            raise Unreachable(f"the cluster at {masked_url(self._address)} answers {reply.status_code}: {said}")
        raise OperatorError(f"The cluster at {masked_url(self._address)} refuses ({reply.status_code}): {said}")

    def _parsed(self, adapter: TypeAdapter[Any], reply: httpx.Response) -> Any:
        try:
            return adapter.validate_json(reply.content)
        except ValidationError as error:
            raise OperatorError(f"What answers at {masked_url(self._address)} is no Jobs API of Ray.") from error
