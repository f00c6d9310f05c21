"""One run at a time: a lease in the output, renewed by a thread, fenced by clocks that need not agree.

Age is the store's `Date` minus the lease's `Last-Modified`: one clock, the store's. The holder trusts its own steady clock and
stops at 2/3 of the TTL after its last renewal, so it has stopped before anybody may take over. A holder that was killed on the
machine of its successor is known to be dead, and need not be waited for.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from secrets import token_hex
from types import TracebackType

from pydantic import ValidationError

from pipeline.lake.process_identity import is_dead, this_process
from pipeline.object_store.store import Conflict, Exists, Store, StoreError, Versioned
from schemas.errors import EXIT_INCOMPLETE, EndsRun
from schemas.lease import Heartbeat, LeaseBody

LEASE = "_pagefold/lease.json"
_READ_AGAIN_S = 0.5
_RESOLUTION_S = 1.0
"""Last-Modified and Date count whole seconds: an age is trusted only beyond one more."""

_log = logging.getLogger(__name__)


class LeaseHeld(EndsRun):
    """Another run is at work on this output."""

    exit_code = EXIT_INCOMPLETE

    def __init__(self, body: LeaseBody, age_s: float) -> None:
        left_s = max(0.0, body.ttl_s + _RESOLUTION_S - age_s)
        super().__init__(
            f"Run {body.run_id} on {body.owner} is at work on this output (its lease was renewed {age_s:.0f} s ago); "
            f"if it is dead, its lease can be taken over in {left_s:.0f} s."
        )
        self.body, self.age_s = body, age_s

    def __reduce__(self) -> tuple[type["LeaseHeld"], tuple[LeaseBody, float]]:
        return LeaseHeld, (self.body, self.age_s)


class LeaseLost(EndsRun):
    """The lease was not renewed in time, or was taken over: nothing more may be committed."""

    exit_code = EXIT_INCOMPLETE


def read_lease(store: Store) -> tuple[LeaseBody, float] | None:
    """The lease and its age in seconds; None where there is none. For `pagefold status`."""
    found = _read(store)
    return found and (found[0], _age_s(found[1]))


def is_held(body: LeaseBody, age_s: float) -> bool:
    """False: released, run out, or its process is known to be dead."""
    return not (body.is_released or age_s > body.ttl_s + _RESOLUTION_S or (body.process is not None and is_dead(body.process)))


class Lease:
    """Held while the context is open. `check` before whatever must not happen twice."""

    def __init__(self, store: Store, body: LeaseBody, etag: str, since_s: float, tell: Callable[[], Heartbeat | None]) -> None:
        self._store, self._body, self._etag, self._tell = store, body, etag, tell
        self._renewed_s = since_s
        self._lost: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="lease")

    @classmethod
    def acquire(
        cls, store: Store, *, owner: str, run_id: str, ttl_s: float, tell: Callable[[], Heartbeat | None] = lambda: None
    ) -> "Lease":
        """`tell` gives what each renewal says of the run, for `pagefold status`; called on a thread of its own.

        Raises LeaseHeld while another holder's lease is younger than its TTL and its process not known to be dead.
        """
        store = store.limited(timeout_s=ttl_s / 6, max_tries=2)  # two tries fit between two renewals
        since_s = steady_s()
        body = LeaseBody(owner=owner, run_id=run_id, epoch=1, ttl_s=ttl_s, nonce=token_hex(16), process=this_process())
        found = _read(store)
        if found is None:
            try:
                return cls(store, body, store.create(LEASE, _encode(body)), since_s, tell)
            except Exists:
                found = _read(store)
                if found is None:
                    raise StoreError(f"{store.root}: its lease comes and goes, though nobody deletes leases.") from None
        current, versioned = found
        if is_held(current, _age_s(versioned)):
            raise LeaseHeld(current, _age_s(versioned))
        if not current.is_released:
            fields = {
                "run_id": run_id,
                "dead_run_id": current.run_id,
                "dead_owner": current.owner,
                "lease_epoch": current.epoch + 1,
            }
            about = {"event": "lease_taken_over", "fields": fields}
            _log.warning("run %s on %s left its lease behind: taken over", current.run_id, current.owner, extra=about)
        body = body.model_copy(update={"epoch": current.epoch + 1})
        try:
            return cls(store, body, store.replace(LEASE, _encode(body), versioned.etag), since_s, tell)
        except Conflict:
            winner = _read(store)
            raise LeaseHeld(winner[0] if winner else current, 0.0) from None

    @property
    def epoch(self) -> int:
        return self._body.epoch

    @property
    def age_s(self) -> float:
        """Since it was last renewed, by the holder's clock."""
        return steady_s() - self._renewed_s

    def check(self) -> None:
        """Raises LeaseLost. Costs nothing: it asks the clock, not the store."""
        if self._lost is None and self.age_s > self._body.ttl_s * 2 / 3:
            self._lost = "it was not renewed in time (the store did not answer, or this process was paused)"
        if self._lost is not None:
            raise LeaseLost(f"The lease of run {self._body.run_id} is lost: {self._lost}.")

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Mark it released, so that the next run starts at once. Not deleted: few stores can delete on a condition."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(LeaseLost, Conflict, StoreError):
            self._write(is_released=True)

    def _keep(self) -> None:
        pause_s = self._body.ttl_s / 4
        while not self._stop.wait(pause_s):
            try:
                self._write()
                pause_s = self._body.ttl_s / 4
            except StoreError as error:
                _log.warning("the lease could not be renewed, trying again: %s", error)
                pause_s = self._body.ttl_s / 20  # `check` counts the time
            except LeaseLost:
                return
            except Conflict:
                self._lost = "another run took it over"
                return

    def _heartbeat(self) -> Heartbeat | None:
        try:
            return self._tell()
        except Exception:  # noqa: BLE001 (a run must not lose its lease over what is merely told)
            _log.exception("how far the run is cannot be told")
            return None

    def _write(self, *, is_released: bool = False) -> None:
        """Called by one thread at a time: the keeper, then, once it has ended, whoever leaves the context."""
        self.check()
        since_s = steady_s()
        body = self._body.model_copy(update={"nonce": token_hex(16), "is_released": is_released, "heartbeat": self._heartbeat()})
        try:
            self._etag = self._store.replace(LEASE, _encode(body), self._etag)
        except Conflict:
            found = _read(self._store)
            if found is None or (found[0].run_id, found[0].epoch) != (body.run_id, body.epoch):
                raise
            # An earlier renewal that seemed to fail arrived after all.
            self._etag = self._store.replace(LEASE, _encode(body), found[1].etag)
        self._body, self._renewed_s = body, since_s


def steady_s() -> float:
    """Seconds on a clock that nobody sets and that counts while the machine sleeps (CLOCK_MONOTONIC does not on Linux)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _read(store: Store, *, is_last: bool = False) -> tuple[LeaseBody, Versioned] | None:
    """`is_last`: what does not parse is no lease. Before, it is read once more: nobody shall remove a lease that came broken."""
    try:
        versioned = store.get_versioned(LEASE)
    except FileNotFoundError:
        return None
    try:
        return LeaseBody.model_validate_json(versioned.body), versioned
    except ValidationError:
        if is_last:
            raise StoreError(f"{store.uri(LEASE)} is no lease: remove it once you are sure that no run is at work.") from None
    time.sleep(_READ_AGAIN_S)
    return _read(store, is_last=True)


def _age_s(versioned: Versioned) -> float:
    return max(0.0, (versioned.server_now - versioned.last_modified).total_seconds())


def _encode(body: LeaseBody) -> bytes:
    return body.model_dump_json().encode()
