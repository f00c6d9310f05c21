"""The whole run on one screen: sources go in, receipts come out, and everything between streams.

One row is a bundle of chunks with up to K pages in all, so that pixels travel once and nothing needs a shuffle. Ray Data does not
commit: see `pipeline.lake.commit`.
"""

from collections.abc import Sequence
from typing import Any

import ray
from ray.data import ActorPoolStrategy, Dataset

from pipeline.stages.pools import Pool


def build(work: Dataset, pools: Sequence[Pool[Any]]) -> Dataset:
    """Composes the run: probe, render, read. It is lazy: nothing starts until the receipts are consumed."""
    for pool in pools:
        work = work.map_batches(pool.stage, fn_constructor_args=(pool.setup,), **_PLAIN, **_workers(pool))
    return work


# A batch is a whole block: some sources for probing, one bundle for the later stages.
_PLAIN: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow", "zero_copy_batch": True}


def _workers(pool: Pool[Any]) -> dict[str, Any]:
    """A pool of processes. Ray restarts a dead one again and again; begin markers stop a page that kills every process which reads
    it (see `pipeline.lake.begin_markers`).

    The pools ask Ray for no CPU; their sizes bound them. With whole CPUs too few processes ran (14 pages/s against 23 on 2 cores).
    With fractions a cluster of one CPU waits for ever, without a message, because a task of Ray Data's own wants a whole CPU.
    """
    size: dict[str, int] = {"min_size": pool.min_workers, "max_size": pool.max_workers}
    if pool.in_flight is not None:
        size["max_concurrent_calls_per_actor"] = pool.in_flight
    compute = ActorPoolStrategy(**size, max_tasks_in_flight_per_actor=2 * (pool.in_flight or 1))
    return {"compute": compute, "num_cpus": 0, "num_gpus": pool.num_gpus}


def configure() -> None:
    """Sets Ray Data's switches for this process: no progress bars, rows in any order, no error is dropped."""
    data = ray.data.DataContext.get_current()
    data.enable_progress_bars = False
    data.print_on_execution_start = False
    data.memory_usage_poll_interval_s = None  # else every task starts a thread that samples memory, only for a log
    data.max_errored_blocks = 0
    data.target_max_block_size = 1  # byte: makes each row a block, else one process would render all chunks of a document
    data.execution_options.preserve_order = False
    data.execution_options.verbose_progress = False
    data.issue_detectors_config.detectors = []  # their advice on memory does not apply to fixed pools
