"""The lease lets one run at a time work on an output. A thread of the holder renews it; the clocks of machines need not agree.

The lease's age is the store's `Date` minus its `Last-Modified`, so one clock measures it, the store's. The holder stops at 2/3 of
the TTL after its last renewal by its own steady clock, so it has stopped before anybody may take over. A holder that died on the
machine of its successor is known to be dead, and the successor need not wait.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
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
"""Last-Modified and Date count whole seconds, so an age may be wrong by one."""

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
    """The lease and its age in seconds; None if there is no lease."""
    found = _read(store)
    return found and (found[0], _age_s(found[1]))


def is_held(body: LeaseBody, age_s: float) -> bool:
    """False if the lease was released, has run out, or its process is known to be dead."""
    return not (body.is_released or age_s > body.ttl_s + _RESOLUTION_S or (body.process is not None and is_dead(body.process)))


class Lease:
    """The lease is held while the context is open. Call `check` before every step that must not happen twice."""

    def __init__(self, store: Store, body: LeaseBody, etag: str, since_s: float, beat: Callable[[], Heartbeat | None]) -> None:
        self._store, self._body, self._etag, self._beat = store, body, etag, beat
        self._renewed_s = since_s
        self._lost: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="lease")

    @classmethod
    def acquire(
        cls, store: Store, *, owner: str, run_id: str, ttl_s: float, beat: Callable[[], Heartbeat | None] = lambda: None
    ) -> "Lease":
        """Takes the lease. `beat` gives the heartbeat that each renewal writes for `pagefold status`; the lease's thread calls it.

        Raises LeaseHeld while another holder's lease is younger than its TTL and its process is not known to be dead. Waits for a
        TTL if the lease comes from the future, because the store's clock was set back.
        """
        store = store.limited(timeout_s=ttl_s / 6, max_tries=2)  # two tries fit between two renewals
        since_s = steady_s()
        body = LeaseBody(owner=owner, run_id=run_id, epoch=1, ttl_s=ttl_s, nonce=token_hex(16), process=this_process())
        found = _read(store)
        if found is None:
            try:
                return cls(store, body, store.create(LEASE, _encode(body)), since_s, beat)
            except Exists:
                found = _read(store)
                if found is None:
                    raise StoreError(f"{store.root}: its lease comes and goes, though nobody deletes leases.") from None
        current, versioned = found
        if is_held(current, _age_s(versioned)) and not _is_left_in_the_future(store, current, versioned):
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
            return cls(store, body, store.replace(LEASE, _encode(body), versioned.etag), since_s, beat)
        except Conflict:
            winner = _read(store)
            raise LeaseHeld(winner[0] if winner else current, 0.0) from None

    @property
    def epoch(self) -> int:
        return self._body.epoch

    @property
    def age_s(self) -> float:
        """Seconds since the last renewal, by the holder's clock."""
        return steady_s() - self._renewed_s

    def check(self) -> None:
        """Raises LeaseLost if the lease is lost. It is cheap: it asks the clock, not the store."""
        if self._lost is None and self.age_s > self._body.ttl_s * 2 / 3:
            self._lost = "it was not renewed in time (the store did not answer, or this process was paused)"
        if self._lost is not None:
            raise LeaseLost(f"The lease of run {self._body.run_id} is lost: {self._lost}.")

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Marks the lease as released, so that the next run starts at once. Few stores could delete it on a condition."""
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
                pause_s = self._body.ttl_s / 20  # `check` ends this when it has lasted too long
            except LeaseLost:
                return
            except Conflict:
                self._lost = "another run took it over"
                return

    def _heartbeat(self) -> Heartbeat | None:
        try:
            return self._beat()
        except Exception:  # noqa: BLE001 (a run must not lose its lease over a missing heartbeat)
            _log.exception("the lease is renewed without a heartbeat")
            return None

    def _write(self, *, is_released: bool = False) -> None:
        """Renews or releases the lease. One thread at a time calls this: the keeper, then, after its end, the one that leaves the
        context."""
        self.check()
        since_s = steady_s()
        body = self._body.model_copy(update={"nonce": token_hex(16), "is_released": is_released, "heartbeat": self._heartbeat()})
        try:
            self._etag = self._store.replace(LEASE, _encode(body), self._etag)
        except Conflict:
            found = _read(self._store)
            if found is None or (found[0].run_id, found[0].epoch) != (body.run_id, body.epoch):
                raise
            # An earlier renewal seemed to fail and has arrived after all.
            self._etag = self._store.replace(LEASE, _encode(body), found[1].etag)
        self._body, self._renewed_s = body, since_s


def steady_s() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine sleeps (on Linux CLOCK_MONOTONIC does not)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _read(store: Store, *, is_last: bool = False) -> tuple[LeaseBody, Versioned] | None:
    """The lease as it is stored; None if there is none. A lease that does not parse is read once more (`is_last`) before it is
    called broken, so that nobody removes a good lease because of one broken transfer."""
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


def _is_left_in_the_future(store: Store, body: LeaseBody, versioned: Versioned) -> bool:
    """True if the lease was written later than the store's clock says now, and nobody renews it within its TTL, as a living holder
    does. By its age alone it would be held until the clock has caught up."""
    if versioned.last_modified <= versioned.server_now + timedelta(seconds=_RESOLUTION_S):
        return False
    _log.warning(
        "the lease was written later than the clock says now: watching for %.0f s if run %s renews it", body.ttl_s, body.run_id
    )
    until_s = steady_s() + body.ttl_s + _RESOLUTION_S
    while steady_s() < until_s:
        time.sleep(body.ttl_s / 20)
        found = _read(store)
        if found is None or found[1].etag != versioned.etag:
            return False
    return True


def _age_s(versioned: Versioned) -> float:
    return max(0.0, (versioned.server_now - versioned.last_modified).total_seconds())


def _encode(body: LeaseBody) -> bytes:
    return body.model_dump_json().encode()
