"""A run as a job of a Ray cluster: what is sent, under which id, and how the job ended."""

import hashlib
import io
import json
import shlex
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from pydantic import SecretStr

from pipeline.cluster.jobs_api import Job, JobsApi, Unreachable
from pipeline.config import all_settings, changed
from schemas.errors import EXIT_FINISHED, EXIT_INCOMPLETE, EXIT_OPERATOR, OperatorError
from schemas.masking import MASK
from schemas.settings import Settings
from workers.engines.registry import portable

_POLL_S = 2.0
_PATIENCE_S = 300.0
"""Seconds without an answer of the head after which following its job ends."""
_PACKAGES = ("pipeline", "schemas", "workers")
_LEFT_OUT = {"__pycache__", "examples"}
_OF_HERE = ("ray.address", "watch.")
"""Settings that are not sent, because they mean nothing to a job: Ray sets RAY_ADDRESS for it, and it does not watch."""


@dataclass(frozen=True)
class Submission:
    """The job as it is sent to the cluster."""

    entrypoint: str
    env: Mapping[str, str]
    code: bytes | None
    """A zip of this process's packages; None if the job runs the pagefold that the cluster has."""

    @property
    def base_id(self) -> str:
        """An id that is equal for the same command with the same code. The environment is left out, because it may hold keys."""
        digest = hashlib.sha256(self.entrypoint.encode() + (self.code or b"")).hexdigest()
        return f"pagefold-{digest[:12]}"


def make_submission(input: str, output: str, settings: Settings, env: Mapping[str, str], *, with_code: bool) -> Submission:
    """A job that runs `pagefold run` with every setting that is not at its default. Secret settings travel in the environment."""
    for place in (input, output):
        if not place.startswith("s3://"):
            raise OperatorError(f"A cluster does not see {place} on this machine: IN and OUT are s3://bucket/prefix here.")
    known = {setting.name: setting for setting in all_settings()}
    settings = settings.model_copy(update={"engine": settings.engine.each(portable)})
    words = ["python", "-m", "pipeline"] if with_code else ["pagefold"]
    words += ["run", input, output]
    secrets = {}
    for name, value in changed(settings).items():
        if name.startswith(_OF_HERE):
            continue
        if known[name].is_secret or MASK in str(value):  # MASK: a URL with a password; Ray shows command lines to everybody
            secrets[known[name].env] = _secret(settings, name)
        else:
            words += ["--set", f"{name}={_text(value)}"]
    return Submission(shlex.join(words), {**secrets, **env}, zipped_code() if with_code else None)


def _text(value: Any) -> str:
    """The value in the form that `--set` reads."""
    return "null" if value is None else value if isinstance(value, str) else json.dumps(value)


def _secret(settings: Settings, name: str) -> str:
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    if not isinstance(value, list):
        return str(value)
    return json.dumps([item.get_secret_value() if isinstance(item, SecretStr) else item for item in value])


def zipped_code() -> bytes:
    """A zip of the three packages that this process runs, with their version. The same code gives the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in _PACKAGES:
            for name, body in _walk(files(package), package):
                archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
        try:
            pagefold = distribution("pagefold")
        except PackageNotFoundError:
            raise OperatorError("The code of a checkout that is not installed has no version: pip install -e . first.") from None
        metadata = f"Metadata-Version: 2.1\nName: pagefold\nVersion: {pagefold.version}\n"
        archive.writestr(zipfile.ZipInfo(f"pagefold-{pagefold.version}.dist-info/METADATA"), metadata)
    return file.getvalue()


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name in _LEFT_OUT or entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{path}/{entry.name}")
        else:
            yield f"{path}/{entry.name}", entry.read_bytes()


def send(api: JobsApi, submission: Submission, metadata: dict[str, str]) -> tuple[str, bool]:
    """Submits the job and gives (its id, True). If a job is still at work on the same run, gives (that job's id, False) instead."""
    prefix = f"{submission.base_id}-"
    try:
        earlier = [(job, job.submission_id) for job in api.jobs() if job.submission_id and job.submission_id.startswith(prefix)]
        for job, submission_id in earlier:
            if not job.has_ended:
                return submission_id, False
        last = max((int(submission_id.removeprefix(prefix)) for _, submission_id in earlier), default=0)
        submission_id = f"{prefix}{last + 1}"
        runtime_env: dict[str, Any] = {"env_vars": dict(submission.env)} if submission.env else {}
        if submission.code is not None:
            runtime_env["working_dir"] = api.upload(submission.code)
        api.submit(submission_id, submission.entrypoint, runtime_env, metadata)
    except Unreachable as error:
        raise OperatorError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    return submission_id, True


def follow(api: JobsApi, submission_id: str, show: Callable[[str], None]) -> Job:
    """Shows what the job prints until it has ended. Raises Unreachable if the head does not answer for five minutes."""
    num_shown, seen_s = 0, time.monotonic()
    while True:
        try:
            job = api.job(submission_id)  # before the log, so that the log of an ended job is complete
            log = api.log(submission_id)
        except Unreachable:
            if time.monotonic() - seen_s > _PATIENCE_S:
                raise
            time.sleep(_POLL_S)
            continue
        seen_s = time.monotonic()
        if len(log) > num_shown:
            show(log[num_shown:])
            num_shown = len(log)
        if job is None:
            return Job(submission_id=submission_id, status="FAILED", message="the cluster no longer knows of this job")
        if job.has_ended:
            return job
        time.sleep(_POLL_S)


def exit_code_of(job: Job) -> int:
    """The exit code of the run inside the job. A job that was stopped or died is incomplete: the same command goes on."""
    if job.status == "SUCCEEDED":
        return EXIT_FINISHED
    return EXIT_OPERATOR if job.status == "FAILED" and job.driver_exit_code == EXIT_OPERATOR else EXIT_INCOMPLETE
