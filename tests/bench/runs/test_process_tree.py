"""The sampler sees children, their CPU time and shared memory once."""

import subprocess
import sys

import pytest

from tests.bench.runs.process_tree import Process, ProcessTree, Sample

MAP_AND_FORK = """
import mmap, os, time
shared = mmap.mmap(-1, 64 << 20)
for _ in range(64):
    shared.write(b"x" * (1 << 20))
if os.fork() == 0 or os.fork() == 0:
    sum(shared[i] for i in range(0, len(shared), 4096))
    end = time.process_time() + 0.2
    while time.process_time() < end: pass
    time.sleep(60)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PSS is Linux's")
@pytest.mark.slow
def test_memory_that_processes_share_counts_once_and_cpu_is_summed() -> None:
    process = subprocess.Popen([sys.executable, "-c", MAP_AND_FORK], start_new_session=True)
    try:
        with ProcessTree(process.pid, interval_s=0.1) as tree:
            for _ in range(2400):
                if sum(tree.cpu_by_role().values()) > 0.4:
                    break
                tree._stop.wait(0.1)
    finally:
        for child in [*tree._root.children(), tree._root]:
            child.kill()
        process.wait()

    assert len(tree.processes) == 3
    assert sum(tree.cpu_by_role().values()) > 0.4
    assert 64e6 < tree.peak_bytes < 120e6
    assert max(sample.num_bytes for each in tree.processes for sample in each.samples) < 64e6


def test_growth_is_the_slope_between_two_marks() -> None:
    steady = Process(1, samples=[Sample(at, 100 + 3 * at) for at in range(0, 101, 10)])
    late = Process(2, samples=[Sample(at, 100) for at in range(50, 101, 10)])
    gone = Process(3, samples=[Sample(at, 100) for at in range(0, 61, 10)])

    assert steady.growth(30, 100) == (190, 400, pytest.approx(3))
    assert late.growth(30, 100) is None
    assert gone.growth(30, 100) is None
