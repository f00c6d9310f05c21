"""One run at a time, whatever clocks, networks and kills do. Time is set by hand in all but the last tests."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake import lease as lease_module
from pipeline.lake.lease import LEASE, Lease, LeaseHeld, LeaseLost, is_held, read_lease
from pipeline.lake.opening import open_store
from pipeline.lake.process_identity import is_dead, this_process
from pipeline.object_store.store import Conflict, Store, StoreError, Versioned
from tests.servers.s3_proxy import Fault, Proxy
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

TTL_S = 60.0


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "out") if request.param == "local" else f"s3://{request.getfixturevalue('bucket')}/out")


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "out"))


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Makes seconds pass on the store's clock and on the holder's, which stand still otherwise."""
    passed = [0.0]
    begin_s, age_s = lease_module.steady_s(), lease_module._age_s
    monkeypatch.setattr(lease_module, "steady_s", lambda: begin_s + passed[0])

    def aged(versioned: Versioned) -> float:
        return age_s(versioned._replace(server_now=versioned.last_modified + timedelta(seconds=passed[0])))

    monkeypatch.setattr(lease_module, "_age_s", aged)

    def add(seconds: float) -> None:
        passed[0] += seconds

    return add


def acquire(store: Store, run_id: str = "run-1", ttl_s: float = TTL_S) -> Lease:
    return Lease.acquire(store, owner="host", run_id=run_id, ttl_s=ttl_s)


def test_a_lease_is_refused_while_another_holds_it(store: Store) -> None:
    with acquire(store, "run-1") as held:
        held.check()
        with pytest.raises(LeaseHeld, match=r"^Run run-1 on host is at work on this output .*\.$"):
            acquire(store, "run-2")


def test_a_released_lease_is_taken_at_once_with_the_next_epoch(store: Store) -> None:
    with acquire(store, "run-1") as first:
        assert first.epoch == 1
    with acquire(store, "run-2") as second:
        assert second.epoch == 2
    body, _ = read_lease(store) or pytest.fail("no lease")
    assert body.is_released
    assert not is_held(body, 0)


def test_a_lease_is_released_when_the_run_fails(folder: Store) -> None:
    with pytest.raises(RuntimeError), acquire(folder):
        raise RuntimeError
    acquire(folder, "run-2")


def test_there_is_no_lease_before_the_first_run(store: Store) -> None:
    assert read_lease(store) is None


def test_one_of_many_racing_runs_gets_the_lease(store: Store) -> None:
    def try_it(number: int) -> Lease | None:
        try:
            return acquire(store, f"run-{number}")
        except LeaseHeld:
            return None

    for _ in range(3):  # new, then released
        with ThreadPoolExecutor(8) as pool:
            (lease,) = [lease for lease in pool.map(try_it, range(8)) if lease]
        with lease:
            lease.check()


def test_one_of_many_racing_runs_takes_an_old_lease_over(store: Store, pass_time: Callable[[float], None]) -> None:
    acquire(store, "run-0")
    pass_time(TTL_S + 2)

    def try_it(number: int) -> bool:
        try:
            return acquire(store, f"run-{number}").epoch == 2
        except LeaseHeld:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_it, range(1, 9))) == 1


@pytest.mark.parametrize(("age_s", "is_free"), [(TTL_S - 1, False), (TTL_S + 1, False), (TTL_S + 1.5, True)])
def test_a_lease_is_taken_over_only_after_its_ttl_and_a_second(
    folder: Store, monkeypatch: pytest.MonkeyPatch, age_s: float, is_free: bool
) -> None:
    acquire(folder, "run-1")
    monkeypatch.setattr(lease_module, "_age_s", lambda versioned: age_s)
    if is_free:
        acquire(folder, "run-2")
    else:
        with pytest.raises(LeaseHeld):
            acquire(folder, "run-2")


def test_the_holder_stops_before_anybody_may_take_over(folder: Store, pass_time: Callable[[float], None]) -> None:
    """2/3 of the TTL: a second host's clock that runs off by 10 minutes is never asked."""
    lease = acquire(folder)
    pass_time(TTL_S * 2 / 3 - 1)
    lease.check()
    pass_time(2)
    with pytest.raises(LeaseLost, match="not renewed in time"):
        lease.check()
    with pytest.raises(LeaseHeld):
        acquire(folder, "run-2")


@pytest.mark.parametrize("off_s", [-600.0, 600.0])
def test_a_clock_that_is_ten_minutes_off_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch, off_s: float) -> None:
    # given
    lease = acquire(store, "run-1")
    now = time.time
    # when: this host's clock is set, moto's too, but not that of the file system
    monkeypatch.setattr(time, "time", lambda: now() + (off_s if os.path.isdir(store.root) else 0))
    # then
    lease.check()
    with pytest.raises(LeaseHeld):
        acquire(store, "run-2")
    with lease:
        lease.check()
    acquire(store, "run-2")


@pytest.fixture
def in_the_future(folder: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Lease, list[Callable[[], None]]]]:
    """A lease that was written an hour before the clock was set back by a day, and what happens in the pauses after that."""
    lease, passed, happens = acquire(folder, "run-1"), [0.0], list[Callable[[], None]]()
    later = time.time() + 23 * 3600
    os.utime(Path(folder.root, LEASE), (later, later))

    def sleep(seconds: float) -> None:
        passed[0] += seconds
        if happens:
            happens.pop()()

    monkeypatch.setattr(lease_module, "steady_s", lambda: passed[0])
    monkeypatch.setattr(lease_module.time, "sleep", sleep)
    yield lease, happens
    assert passed[0] <= 1.1 * TTL_S


def test_a_lease_of_the_future_that_nobody_renews_is_taken_over_after_its_ttl(folder: Store, in_the_future) -> None:
    assert acquire(folder, "run-2").epoch == 2


def test_a_lease_of_the_future_that_is_renewed_is_held(folder: Store, in_the_future) -> None:
    lease, happens = in_the_future
    lease._renewed_s = 0.0  # by the clock that this test sets
    happens.append(lease._write)

    with pytest.raises(LeaseHeld):
        acquire(folder, "run-2")


def test_a_renewed_lease_is_young_again(store: Store, pass_time: Callable[[float], None]) -> None:
    lease = acquire(store)
    before = store.get_versioned(LEASE)
    lease._write()
    after = store.get_versioned(LEASE)
    assert before.etag != after.etag
    assert json.loads(before.body)["epoch"] == json.loads(after.body)["epoch"] == 1


def test_a_holder_that_was_taken_over_notices_at_its_renewal(folder: Store, pass_time: Callable[[float], None]) -> None:
    # given: a holder whose clock stood still, as on a paused machine
    lease = acquire(folder, "run-1")
    body, _ = read_lease(folder) or pytest.fail("no lease")
    taken = body.model_copy(update={"run_id": "run-2", "epoch": 2, "nonce": "other"})
    folder.replace(LEASE, taken.model_dump_json().encode(), folder.get_versioned(LEASE).etag)
    # then
    with pytest.raises(Conflict):
        lease._write()
    with lease:
        pass
    body, _ = read_lease(folder) or pytest.fail("no lease")
    assert (body.run_id, body.is_released) == ("run-2", False), "another's lease is not released"


def test_a_renewal_that_seemed_to_fail_but_arrived_is_no_lost_lease(folder: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    lease = acquire(folder)
    replace = lease._store.replace

    def arrives_without_reply(path: str, body: bytes, etag: str) -> str:
        replace(path, body, etag)
        raise StoreError("timed out")

    monkeypatch.setattr(lease._store, "replace", arrives_without_reply)
    with pytest.raises(StoreError):
        lease._write()
    monkeypatch.setattr(lease._store, "replace", replace)
    # when
    lease._write()
    # then
    lease.check()
    with lease:
        pass
    acquire(folder, "run-2")


def test_lost_replies_on_the_wire_lose_no_lease(bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    s3_faults.faults.append(Fault("PUT", "lease.json", "lose_reply", times=1))
    store = open_store(f"s3://{bucket}")
    lease = acquire(store)  # its create was retried, and met itself
    s3_faults.faults.append(Fault("PUT", "lease.json", "lose_reply", times=1))
    lease._write()
    s3_faults.faults.append(Fault("PUT", "lease.json", "lose_reply", times=1))
    with lease:
        lease.check()
    assert acquire(store, "run-2").epoch == 2


def test_an_object_that_is_no_lease_is_one_sentence(folder: Store) -> None:
    folder.create(LEASE, b"{")
    with pytest.raises(StoreError, match="is no lease"):
        acquire(folder)


def test_a_lease_of_a_later_version_is_a_lease(folder: Store) -> None:
    acquire(folder)
    versioned = folder.get_versioned(LEASE)
    folder.replace(LEASE, json.dumps({**json.loads(versioned.body), "colour": "red"}).encode(), versioned.etag)
    with pytest.raises(LeaseHeld):
        acquire(folder, "run-2")


# Real time and real processes


class PassingWaits(threading.Event):
    """Seconds that are waited for pass at once, by the clocks that tests set."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        super().__init__()
        self._pass_time, self.num_waits = pass_time, 0

    def wait(self, timeout: float | None = None) -> bool:
        self._pass_time(timeout or 0)
        self.num_waits += 1
        return super().wait(0.001)


def test_a_held_lease_is_renewed_by_itself(
    folder: Store, pass_time: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = acquire(folder)
    monkeypatch.setattr(lease_module, "_age_s", lambda versioned: lease.age_s)
    lease._stop = waits = PassingWaits(pass_time)
    with lease:
        for number in range(10, 50, 10):  # by then twice its TTL has passed, and more
            wait_until(lambda number=number: waits.num_waits > number)
            lease.check()
        with pytest.raises(LeaseHeld):
            acquire(folder, "run-2")


def test_a_store_that_stops_answering_ends_the_lease_in_time(folder: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: str, body: bytes, etag: str) -> str:
        raise StoreError("no answer")

    with acquire(folder, ttl_s=0.6) as lease:
        monkeypatch.setattr(lease._store, "replace", broken)
        wait_until(lambda: is_lost(lease))


def is_lost(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return True
    return False


_HOLD = """
import sys, time
from pipeline.lake.lease import Lease, LeaseLost
from pipeline.lake.opening import open_store
with Lease.acquire(open_store(sys.argv[1]), owner="host", run_id="child", ttl_s=float(sys.argv[2])) as lease:
    print("held", flush=True)
    while True:
        try:
            lease.check()
        except LeaseLost as error:
            print("lost", flush=True)
            break
        time.sleep(0.01)
"""


@pytest.fixture
def hold(folder: Store) -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Starts a process that holds the lease of `folder`."""
    children: list[subprocess.Popen[str]] = []

    def start(ttl_s: float) -> subprocess.Popen[str]:
        child = subprocess.Popen([sys.executable, "-c", _HOLD, folder.root, str(ttl_s)], stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout
        assert child.stdout.readline() == "held\n"
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        assert child.stdout
        child.stdout.close()


@pytest.mark.skipif(this_process() is None, reason="this platform does not tell which process is which")
def test_a_holder_killed_on_this_machine_is_not_waited_for(folder: Store, hold: Any) -> None:
    child = hold(3600)
    with pytest.raises(LeaseHeld):
        acquire(folder, "run-2")
    child.kill()
    wait_until(lambda: is_dead((read_lease(folder) or pytest.fail("no lease"))[0].process or ""))  # a zombie is dead enough
    assert acquire(folder, "run-2").epoch == 2


def test_a_paused_holder_that_wakes_after_a_takeover_stops(folder: Store, hold: Any) -> None:
    child = hold(3)
    with folder._lock():  # it is not paused in the middle of a renewal, for whose end others would wait
        os.kill(child.pid, signal.SIGSTOP)
    deadline = threading.Event()
    while True:  # it is alive, so its TTL is waited for
        try:
            lease = acquire(folder, "run-2", ttl_s=60)
            break
        except LeaseHeld:
            deadline.wait(0.2)
    os.kill(child.pid, signal.SIGCONT)
    assert child.stdout.readline() == "lost\n"
    child.wait(240)
    body, _ = read_lease(folder) or pytest.fail("no lease")
    assert (body.run_id, body.is_released) == ("run-2", False)
    lease.check()


@pytest.mark.parametrize("process", ["", "x", "a/b/c", "other-host/boot/pid:[1]/1/1", "a/b/c/-1/x"])
def test_a_process_of_elsewhere_is_never_called_dead(process: str) -> None:
    assert not is_dead(process)


@pytest.mark.skipif(this_process() is None, reason="this platform does not tell which process is which")
def test_a_process_id_that_was_given_again_is_not_taken_for_the_old_process() -> None:
    own = this_process()
    assert own
    assert not is_dead(own)
    assert is_dead(f"{own}9")
