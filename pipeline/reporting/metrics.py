"""A run's figures for Prometheus. The driver counts all of them from receipts, so they need no metrics agent of Ray's. They are
served while the process lasts, and written to a file for processes that end before a scrape.
"""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, start_http_server, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from pipeline.lake.lease import LeaseHeld
from pipeline.reporting.observer import LeaseView, ShardCommit, Silent, StageLoad, StageName
from pipeline.reporting.summary import Summary
from schemas.errors import OperatorError
from schemas.receipt import BOTH, LAYERS, ReaderTime, Receipt
from schemas.settings import EnginesSettings, MetricsSettings

disable_created_metrics()  # type: ignore[no-untyped-call]  # else each counter has a second metric with its start time
_log = logging.getLogger(__name__)
_STAGES = ("probe", "render", "read", "stage", "compact")
_OUTCOMES = ("ok", "blank", "partial", "failed")
_READS = ("reads",)
_ENDS = ("finished", "too_many_failed", "incomplete", "nothing_to_do", "held", "failed")


class Metrics(Silent):
    """An observer that counts over all runs of the process. `file` is written when a run has ended."""

    def __init__(self, engine: EnginesSettings | None = None, file: Path | None = None) -> None:
        self.registry = CollectorRegistry()
        self._file = file
        self._engine = engine or EnginesSettings()
        self._readers: dict[str, ReaderTime] = {}
        """Each reader process by name, from its last receipt."""
        self._lease: LeaseView | None = None

        self._counters: dict[str, Counter] = {}
        self._of_readers: set[str] = set()
        """Names of counters with the label `reads`, which older versions did not have."""
        self.described: list[tuple[str, tuple[str, ...], str]] = []
        """(name, labels, text) of each metric, in order of definition; for infra/README.md and the dashboard's test."""

        def counter(name: str, text: str, *labels: str) -> Counter:
            self.described.append((f"pagefold_{name}_total", labels, text))
            made = Counter(f"pagefold_{name}", text, labels, registry=self.registry)
            self._counters[f"pagefold_{name}_total"] = made
            if labels == _READS:
                self._of_readers.add(f"pagefold_{name}_total")
            return made

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            self.described.append((f"pagefold_{name}", labels, text))
            return Gauge(f"pagefold_{name}", text, labels, registry=self.registry)

        self._pages = counter("pages", "Pages read, by outcome.", "outcome")
        self._documents = counter("documents", "Documents committed.")
        self._shards = counter("shards", "Shards committed.")
        self._charts = counter("charts", "Charts read.")
        self._failures = counter("failures", "Failures of pages, charts and documents, by kind.", "kind")
        self._stage_s = counter("stage_seconds", "Seconds of work, summed over the processes of each stage.", "stage")
        self._tokens = counter("tokens", "Tokens, by kind.", "kind")
        self._fetches = counter("fetches", "Objects asked for, by result: downloaded, or found in the node's cache.", "result")
        self._fetched_bytes = counter("fetched_bytes", "Bytes downloaded.")
        self._busy_s = counter("engine_busy_seconds", "Seconds that readers' engines worked, summed over readers.", *_READS)
        self._requests = gauge(
            "requests_at_once", "Requests that a reader has at its endpoint at once by now, where their number adapts.", *_READS
        )
        self._reader_s = counter(
            "reader_seconds", "Seconds that readers lived, start included: the most they could be busy.", *_READS
        )
        self._gpu_s = counter("gpu_seconds", "Seconds that readers held GPUs.", *_READS)
        self._reader_starts = counter("reader_starts", "Reader processes that gave an answer, restarted ones again.", *_READS)
        self._reader_restarts = counter(
            "reader_restarts", "Of these, beyond max_actors in one run: in the place of one that died, or was let go.", *_READS
        )
        self._runs = counter("runs", "Runs by how they ended.", "status")
        self._cost = counter("cost", "Cost of ended runs by the configured prices.", "currency")
        self._active = gauge(
            "stage_active", "What each stage works on: rows (sources, then bundles of chunks), or shards to compact.", "stage"
        )
        self._waiting = gauge("stage_waiting", "What waits for each stage.", "stage")
        self._planned = gauge("documents_planned", "Documents of the plan that is worked on.")
        self._done = gauge("documents_done", "Of these, read in full.")
        self._progress_at = gauge("last_progress_timestamp_seconds", "When the last chunk or commit came.")
        self._ended_at = gauge("last_run_timestamp_seconds", "When the last run ended, by how it ended.", "status")
        self._run = gauge("run_info", "The run at work.", "run_id", "engine", "version")
        self._held = gauge("lease_held", "1 while this process holds the lease.")
        self._epoch = gauge("lease_epoch", "Number of this output's lease holders so far, the present one included.")
        age_s = gauge("lease_age_seconds", "Since the lease was last renewed; 0 while none is held.")
        age_s.set_function(lambda: self._lease.age_s if self._lease else 0.0)
        self._start_at_zero()

    def _start_at_zero(self) -> None:
        """Makes every labelled series start at 0, so that a rate counts its first event."""
        for metric, values in (
            (self._pages, _OUTCOMES),
            (self._stage_s, _STAGES),
            (self._tokens, ("prompt", "output")),
            (self._fetches, ("downloaded", "cached")),
            (self._runs, _ENDS),
            (self._active, get_args(StageName)),
            (self._waiting, get_args(StageName)),
            *((metric, (BOTH,)) for metric in (self._busy_s, self._reader_s, self._gpu_s)),
            *((metric, (BOTH,)) for metric in (self._reader_starts, self._reader_restarts)),
        ):
            for value in values:
                metric.labels(value)

    def go_on_from(self, text: str) -> None:
        """Adds the counts of an earlier process from its metrics file, because else each scheduled run would look like a reset."""
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                counter = self._counters.get(sample.name)
                if counter is not None:
                    labels = sample.labels or ({"reads": BOTH} if sample.name in self._of_readers else {})
                    (counter.labels(**labels) if labels else counter).inc(sample.value)

    def started(self, run_id: str, engine: str, lease: LeaseView) -> None:
        self._lease, self._readers = lease, {}
        self._run.labels(run_id, engine, version("pagefold")).set(1)
        self._held.set(1)
        self._epoch.set(lease.epoch)
        self._progress_at.set_to_current_time()

    def planned(self, plan_id: str, num_documents: int, num_bytes: int) -> None:
        self._planned.set(num_documents)
        self._done.set(0)

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        self._progress_at.set_to_current_time()
        self._done.set(num_documents_done)
        for outcome in _OUTCOMES:
            self._pages.labels(outcome).inc(getattr(receipt, f"num_{outcome}"))
        for kind, count in receipt.failures.items():
            self._failures.labels(kind.value).inc(count)
        self._charts.inc(receipt.num_charts)
        self._tokens.labels("prompt").inc(receipt.num_prompt_tokens)
        self._tokens.labels("output").inc(receipt.num_output_tokens)
        self._stage_s.labels("probe").inc(receipt.spent.probe_s)
        self._stage_s.labels("render").inc(receipt.render_s)
        self._stage_s.labels("read").inc(receipt.read_s)
        self._stage_s.labels("stage").inc(receipt.stage_s)
        self._fetches.labels("downloaded").inc(receipt.spent.num_downloads)
        self._fetches.labels("cached").inc(receipt.spent.num_cache_hits)
        self._fetched_bytes.inc(receipt.spent.num_bytes_fetched)
        for reader in receipt.spent.readers:
            self._count_reader(reader)

    def _count_reader(self, reader: ReaderTime) -> None:
        """Adds a reader's seconds since its last receipt. Receipts may overtake each other, so nothing is subtracted."""
        if reader.name not in self._readers:
            num_before = sum(known.reads == reader.reads for known in self._readers.values())
            self._reader_starts.labels(reader.reads).inc()
            self._reader_restarts.labels(reader.reads).inc(num_before >= self._most(reader.reads))
        known = self._readers.get(reader.name, ReaderTime(name=reader.name))
        more_s, more_busy_s = max(0.0, reader.lived_s - known.lived_s), max(0.0, reader.busy_s - known.busy_s)
        self._readers[reader.name] = reader.model_copy(
            update={"lived_s": known.lived_s + more_s, "busy_s": known.busy_s + more_busy_s}
        )
        if reader.num_requests is not None:
            self._requests.labels(reader.reads).set(reader.num_requests)
        self._reader_s.labels(reader.reads).inc(more_s)
        self._gpu_s.labels(reader.reads).inc(more_s * reader.num_gpus)
        self._busy_s.labels(reader.reads).inc(more_busy_s)

    def _most(self, reads: str) -> int:
        """Readers at once that read this."""
        engine = self._engine.of("chart" if reads == "chart" else "ocr")
        return sys.maxsize if reads == LAYERS else engine.most_actors(sys.maxsize)

    def shard_committed(self, commit: ShardCommit) -> None:
        self._progress_at.set_to_current_time()
        self._shards.inc(commit.is_last)
        self._documents.inc(commit.num_documents)
        self._stage_s.labels("compact").inc(commit.compact_s)

    def stages(self, loads: Sequence[StageLoad]) -> None:
        now = {load.stage: load for load in loads}
        for stage in get_args(StageName):
            load = now.get(stage) or StageLoad(stage, 0, 0)
            self._active.labels(stage).set(load.num_active)
            self._waiting.labels(stage).set(load.num_waiting)

    def ended(self, summary: Summary) -> None:
        if summary.cost is not None and summary.currency is not None:
            self._cost.labels(summary.currency).inc(summary.cost)
        self._end(summary.status)

    def failed(self, error: BaseException) -> None:
        self._end("held" if isinstance(error, LeaseHeld) else "failed")

    def _end(self, status: str) -> None:
        self._runs.labels(status).inc()
        self._ended_at.labels(status).set(time.time())
        self._lease = None
        self._held.set(0)
        self._run.clear()
        self._requests.clear()
        self.stages(())
        if self._file is not None:
            try:
                write_to_textfile(str(self._file), self.registry)
            except OSError as error:  # must not change how the run ends
                _log.warning("metrics.file %s cannot be written: %s", self._file, error.strerror)


@contextlib.contextmanager
def published(settings: MetricsSettings, engine: EnginesSettings) -> Iterator[Metrics]:
    """An observer whose figures are served and written as the settings say. Raises OperatorError if that is impossible."""
    if settings.file is not None and (settings.file.suffix != ".prom" or not settings.file.parent.is_dir()):
        raise OperatorError(f"metrics.file {settings.file}: it has to end in .prom, in a folder that is there.")
    metrics = Metrics(engine, settings.file)
    if settings.file is not None and settings.file.exists():
        try:
            metrics.go_on_from(settings.file.read_text("utf-8"))
        except OSError as error:
            raise OperatorError(f"metrics.file {settings.file} cannot be read: {error.strerror}.") from None
        except ValueError as error:
            raise OperatorError(
                f"metrics.file {settings.file} is no file of metrics of this version: remove it ({error})."
            ) from None
    if settings.port is None:
        yield metrics
        return
    try:
        server, thread = start_http_server(settings.port, settings.host, metrics.registry)
    except OSError as error:
        raise OperatorError(f"The metrics cannot be served on {settings.host}:{settings.port}: {error.strerror}.") from error
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
