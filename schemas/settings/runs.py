"""How a run goes: plan, output, Ray, events, prices, logs."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from schemas.settings.section import MEBI, Section

Redo = Literal["none", "stale", "failed", "all"]
Images = Literal["none", "regions", "pages"]


class PlanSettings(Section):
    chunk_pages: Annotated[int, Field(ge=1, le=256)] = Field(8, description="K: pages of one chunk, the unit that flows.")
    shard_sources: int = Field(
        4096,
        ge=1,
        le=99_999,
        description="Sources of one shard at most, the unit that commits: small ones come together up to `shard_bytes`. A shard "
        "costs some 25 requests and a file in each table; `output.commit_every_s` commits what is whole of it before.",
    )
    shard_bytes: int = Field(256 * MEBI, ge=1, description="A shard is closed once its sources reach this size.")
    max_transient_attempts: int = Field(4, ge=1, description="Attempts at a page that fails for passing reasons, over all runs.")
    redo: Redo = Field(
        "stale",
        description="What was read before and is read again: `stale` (under another recipe), `failed` (open failures of any kind), "
        "`all`, or `none`.",
    )
    min_sources: int = Field(
        1,
        ge=1,
        description="A plan's last shard waits for a later run while it has fewer sources: small files are slow to query.",
    )
    min_pages: int = Field(1, ge=1, description="The same, by pages (estimated from the bytes where they are not known yet).")
    longest_wait_s: float = Field(
        3600, ge=0, description="Seconds after its last write that a source waits for others at most; see `min_sources`."
    )


On = Literal["auto", "ray", "local"]


class RunSettings(Section):
    on: On = Field(
        "auto",
        description="Where a run does its work: `local` (one process on this machine), `ray` (Ray Data: a private Ray, or a "
        "cluster's), or `auto`: `ray` for a cluster, for GPUs, for more readers than this machine has cores and for much work on "
        "many cores, else `local`.",
    )
    fail_above: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of failed pages (`5%` or `0.05`) above which a run that came to its end is no success: exit code 1. "
        "A document without one page that could be seen counts as a page. By default only where all failed.",
    )

    @field_validator("fail_above", mode="before")
    @classmethod
    def _percent(cls, value: object) -> object:
        if isinstance(value, str) and (number := value.strip()).endswith("%"):
            try:
                return float(number[:-1]) / 100
            except ValueError:
                raise ValueError(f"{value!r} is no share, such as 5% or 0.05") from None
        return value


class OutputSettings(Section):
    compression_level: int = Field(3, ge=1, le=22, description="zstd level of the Parquet files.")
    row_group_rows: int = Field(50_000, ge=1, description="Rows of one row group.")
    optimized_file_mb: float = Field(
        64,
        gt=0,
        description="Size of a file that `pagefold optimize` aims at, in the largest table. Takes thirty times as much memory.",
    )
    images: Images = Field(
        "none",
        description="Pictures that land in the table `images`, of what is read from now on: `none`; `regions`, the figures and "
        "charts, cut out; `pages`, the whole pages as well. `pagefold plan` says how much they take.",
    )
    words: bool = Field(
        False,
        description="Words of the PDF's own text, each with its box, land in the table `words`, of what is read from now on: "
        "turning it on reads nothing again. Scans have none.",
    )
    lease_ttl_s: float = Field(60, ge=3, description="A run that has not renewed its lease for this long is taken for dead.")
    unsafe_single_writer: bool = Field(
        False, description="Go on with a store without conditional writes; you promise that one run at a time uses this output."
    )
    keep_staging: bool = Field(False, description="Keep staged chunks after their shard is committed, for debugging.")
    commit_every_s: float = Field(
        60,
        ge=1,
        description="A document that has been read in full is in the tables within this many seconds, or within a twentieth of the "
        "time that the run has lasted, whichever is longer. Shorter means more and smaller files.",
    )
    keep_answers_days: float = Field(
        30,
        ge=0,
        description="Days for which `pagefold gc` leaves alone what was read of documents that a closed plan did not finish: a "
        "later run under the same recipes takes it over instead of asking again.",
    )


class RaySettings(Section):
    address: str | None = Field(
        None, description="Ray cluster to join; a private local one by default (`RAY_ADDRESS` also names one)."
    )
    num_cpus: int | None = Field(None, ge=1, description="Logical CPUs of the private local Ray; all cores by default.")
    object_store_bytes: int = Field(512 * MEBI, ge=80 * MEBI, description="Object store of the private local Ray.")
    render_workers: int | None = Field(
        None, ge=1, description="Render processes; by default one per CPU of the cluster, and one per MiB to read at most."
    )
    probe_workers: int | None = Field(
        None, ge=1, description="Probe processes; by default one per four CPUs of the cluster, and as many as render at most."
    )
    grace_s: float = Field(30, ge=0, description="After SIGTERM or Ctrl-C: seconds to commit what has been read in full.")


class WatchSettings(Section):
    queue: str | None = Field(
        None,
        description="URL of an SQS queue of the input's events, for this watch alone; without one only time wakes it.",
    )
    every_s: float | None = Field(
        None, ge=1, description="Seconds between two listings where no event comes: 300 without a queue, 3600 with one by default."
    )
    quiet_s: float = Field(10, ge=0, description="Seconds without a further event before a run starts, so that a burst is one run.")
    longest_wait_s: float = Field(300, ge=0, description="Seconds after its first event within which a run starts, quiet or not.")
    visibility_s: int = Field(
        300,
        ge=2,
        le=43_200,
        description="Seconds that a received event stays hidden; renewed at a third of it until the run has ended.",
    )
    retry_s: float = Field(30, ge=0, description="Pause after a run that failed, seconds; doubled by each further one, up to 900.")
    max_failures: int = Field(10, ge=0, description="Runs that may fail one after the other; one more ends the watch.")


class PriceSettings(Section):
    currency: str = Field("USD", description="Currency of the prices below, and of `runs.cost`: three capital letters.")
    per_hour: float | None = Field(None, ge=0, description="Of all machines but their GPUs, for each hour that a run lasts.")
    per_gpu_hour: float | None = Field(None, ge=0, description="Of one GPU, for each hour that a reader process holds it.")
    per_million_prompt_tokens: float | None = Field(None, ge=0, description="Of an endpoint's prompt tokens.")
    per_million_output_tokens: float | None = Field(None, ge=0, description="Of an endpoint's output tokens.")
    chart_per_million_prompt_tokens: float | None = Field(
        None,
        ge=0,
        description="Of prompt tokens about charts, where another engine than that of text reads them; 0 for one of yours.",
    )
    chart_per_million_output_tokens: float | None = Field(None, ge=0, description="Of output tokens about charts, likewise.")

    @field_validator("currency")
    @classmethod
    def _code(cls, currency: str) -> str:
        if not re.fullmatch("[A-Z]{3}", currency):
            raise ValueError(f"{currency!r} is no code of three capital letters, such as EUR")
        return currency


class LogSettings(Section):
    format: Literal["text", "json"] = Field(
        "text",
        description="`json`: one JSON object a line on stderr instead of progress; reader processes write theirs to Ray's logs.",
    )
    slow_page_s: float = Field(60, gt=0, description="A page that takes longer, drawn and read, gets a line in the JSON log.")


class MetricsSettings(Section):
    port: int | None = Field(
        None, ge=0, le=65535, description="Port on which a run serves its Prometheus metrics while it lasts; 0 takes any free one."
    )
    host: str = Field("127.0.0.1", description="Address of that port; `0.0.0.0` lets other machines scrape it.")
    file: Path | None = Field(
        None,
        description="`.prom` file for node_exporter's textfile collector: written when a run ends, counts go on from it.",
    )
