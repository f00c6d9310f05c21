"""One run at a time: a lease in the output, renewed by a thread, fenced by clocks that need not agree.

Age is the store's `Date` minus the lease's `Last-Modified`: one clock, the store's. The holder trusts its own monotonic clock and
stops at 2/3 of the TTL after its last renewal, so it has stopped before anybody may take over.
"""

import contextlib
import threading
import time
from secrets import token_hex
from types import TracebackType

from pydantic import BaseModel, ConfigDict

from pipeline.store import Conflict, Exists, Store, StoreError, Versioned

LEASE = "_pagefold/lease.json"
_RESOLUTION_S = 1.0
"""Last-Modified and Date count whole seconds: an age is trusted only beyond one more."""


class LeaseBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str
    run_id: str
    epoch: int
    """One more with each holder."""
    ttl_s: float
    nonce: str
    """Of this one write."""
    is_released: bool = False


class LeaseHeld(Exception):
    """Another run is at work on this output."""

    def __init__(self, body: LeaseBody, age_s: float) -> None:
        left = max(0.0, body.ttl_s - age_s)
        super().__init__(
            f"Run {body.run_id} on {body.owner} is at work on this output (its lease was renewed {age_s:.0f} s ago); "
            f"if it is dead, its lease can be taken over in {left + _RESOLUTION_S:.0f} s."
        )
        self.body, self.age_s = body, age_s


class LeaseLost(Exception):
    """The lease was not renewed in time, or was taken over: nothing more may be committed."""


def read_lease(store: Store) -> tuple[LeaseBody, float] | None:
    """The lease and its age in seconds; None where there is none. For `pagefold status`."""
    found = _read(store)
    return found and (found[0], _age_s(found[1]))


class Lease:
    """Held while the context is open. `check` before whatever must not happen twice."""

    def __init__(self, store: Store, body: LeaseBody, etag: str, since: float) -> None:
        self._store, self._body, self._etag = store, body, etag
        self._renewed = since
        self._lost: str | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="lease")

    @classmethod
    def acquire(cls, store: Store, *, owner: str, run_id: str, ttl_s: float) -> "Lease":
        """Raises LeaseHeld while another holder's lease is younger than its TTL."""
        since = time.monotonic()
        found = _read(store)
        if found is None:
            body = LeaseBody(owner=owner, run_id=run_id, epoch=1, ttl_s=ttl_s, nonce=token_hex(16))
            try:
                return cls(store, body, store.create(LEASE, _encode(body)), since)
            except Exists:
                found = _read(store)
                if found is None:
                    raise StoreError(f"{store.root}: the lease comes and goes.") from None
        current, versioned = found
        age_s = _age_s(versioned)
        if not current.is_released and age_s <= current.ttl_s + _RESOLUTION_S:
            raise LeaseHeld(current, age_s)
        body = LeaseBody(owner=owner, run_id=run_id, epoch=current.epoch + 1, ttl_s=ttl_s, nonce=token_hex(16))
        try:
            return cls(store, body, store.replace(LEASE, _encode(body), versioned.etag), since)
        except Conflict:
            winner = _read(store)
            raise LeaseHeld(winner[0] if winner else current, 0.0) from None

    @property
    def epoch(self) -> int:
        return self._body.epoch

    def check(self) -> None:
        """Raises LeaseLost."""
        if self._lost is None and time.monotonic() - self._renewed > self._body.ttl_s * 2 / 3:
            self._lost = "it was not renewed in time (the store did not answer, or this process was paused)"
        if self._lost is not None:
            raise LeaseLost(f"The lease of run {self._body.run_id} is lost: {self._lost}.")

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(LeaseLost, Conflict, StoreError), self._lock:
            self.check()
            released = self._body.model_copy(update={"is_released": True, "nonce": token_hex(16)})
            self._store.replace(LEASE, _encode(released), self._etag)

    def _keep(self) -> None:
        while not self._stop.wait(self._body.ttl_s / 4):
            try:
                self._renew()
            except StoreError:
                continue  # tried again; `check` counts the time
            except (Conflict, LeaseLost) as error:
                self._lost = self._lost or (str(error) if isinstance(error, LeaseLost) else "another run took it over")
                return

    def _renew(self) -> None:
        with self._lock:
            self.check()
            since = time.monotonic()
            body = self._body.model_copy(update={"nonce": token_hex(16)})
            self._etag = self._store.replace(LEASE, _encode(body), self._etag)
            self._body, self._renewed = body, since


def _read(store: Store) -> tuple[LeaseBody, Versioned] | None:
    try:
        versioned = store.get_versioned(LEASE)
    except FileNotFoundError:
        return None
    return LeaseBody.model_validate_json(versioned.body), versioned


def _age_s(versioned: Versioned) -> float:
    return max(0.0, (versioned.server_now - versioned.last_modified).total_seconds())


def _encode(body: LeaseBody) -> bytes:
    return body.model_dump_json().encode()
