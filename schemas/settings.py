"""Every setting, in one frozen class per stage. An unknown name is an error. Descriptions say unit and reason.

`pipeline.config` resolves the settings once; each worker receives only its part.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    Field,
    SecretStr,
    SerializerFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_validator,
)

from schemas.failure import Task
from schemas.frozen import Frozen
from schemas.masking import masked_values

EngineName = Literal["classic", "server", "ovis", "scripted"]
Transport = Literal["json", "markdown"]
Redo = Literal["none", "stale", "failed", "all"]
Images = Literal["none", "regions", "pages"]

MEBI = 1024**2


class Section(Frozen):
    @field_serializer("*", mode="wrap", when_used="json")
    def _without_secrets(self, value: Any, plain: SerializerFunctionWrapHandler) -> Any:
        """Masks passwords in URLs, because the JSON of settings is for people and tables. Workers get the pickled objects."""
        return masked_values(plain(value))

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        return ((name, masked_values(value)) for name, value in super().__repr_args__())


class InputSettings(Section):
    limit: int | None = Field(None, ge=1, description="Read at most this many sources; for trying things out.")
    pages: str | None = Field(
        None, pattern=r"^\d+(-\d*)?(,\d+(-\d*)?)*$", description="Pages to read, counted from 1: `1-3,7,10-`. All by default."
    )
    include: list[str] = Field(
        [],
        description="Globs on the name below the input: what fits none is not read. `*` stays inside a folder, `**` crosses them, "
        "a glob without `/` fits the name in any folder. All by default.",
    )
    exclude: list[str] = Field([], description="Globs, as in `include`: what fits one of them is not read.")
    min_age_s: float = Field(
        0, ge=0, description="Seconds since an object was last written before it is read; for writers that write in place."
    )
    marker: str | None = Field(
        None,
        min_length=1,
        pattern=r"^[^/]+$",
        description="Read a folder, and those below it, only once it holds a file of this name, such as `_SUCCESS` or "
        "`*.manifest`. The marker itself is never read.",
    )
    allow_empty: bool = Field(
        False, description="An input without one object is nothing to do, and no mistake. `watch` always allows it."
    )
    passwords: list[SecretStr] = Field(
        [],
        description="Passwords to try on encrypted PDFs, in order: one, or several as a JSON list. Never written anywhere; best "
        "set in the environment.",
    )

    @field_validator("pages")
    @classmethod
    def _count_from_1(cls, pages: str | None) -> str | None:
        for part in pages.split(",") if pages else ():
            first, _, last = part.partition("-")
            if int(first) < 1 or (last and int(last) < 1):
                raise ValueError(f"pages count from 1, and {part} begins before")
            if last and int(last) < int(first):
                raise ValueError(f"{part} ends before it begins")
        return pages


class FetchSettings(Section):
    max_object_bytes: int = Field(2048 * MEBI, ge=1, description="Objects above this size fail as `too_large_object`.")
    cache_dir: Path | None = Field(
        None,
        description="Node-local cache of fetched objects; by default a temporary folder, which a run with a private Ray empties.",
    )
    cache_bytes: int = Field(4096 * MEBI, ge=0, description="Upper size of the cache; the least recently used objects leave first.")
    timeout_s: float = Field(60, gt=0, description="Connect and read timeout of one request to the store, seconds.")
    max_tries: int = Field(5, ge=1, description="Tries of one request (throttling, 5xx, broken body) before it is a failure.")


class RenderSettings(Section):
    dpi_min: int = Field(96, ge=36, le=600, description="Lower bound of a vector page's resolution.")
    dpi_max: int = Field(300, ge=72, le=600, description="Upper bound of a vector page's resolution.")
    glyph_px: float = Field(
        20, gt=4, description="Height in pixels that the smallest common font size of a vector page shall get; decides its DPI."
    )
    cell_px: int = Field(32, ge=1, description="Sides are multiples of this, so that the model's own resize is the identity.")
    min_pixels: int = Field(448 * 448, ge=1, description="Smaller images are enlarged to this area (Ovis2.5's own minimum).")
    max_pixels: int = Field(1344 * 1792, ge=1, description="Larger pages are reduced to this area (Ovis2.5-2B's own limit).")
    max_decoded_pixels: int = Field(
        120_000_000, ge=1, description="An image of more pixels is not decoded at all: `too_large` (a decompression bomb)."
    )
    max_pages: int = Field(5000, ge=1, le=99_999, description="Pages read of one document; the rest is a failure `too_many_pages`.")
    memory_bytes: int = Field(
        1536 * MEBI, ge=256 * MEBI, description="Address space a render process may add to what it starts with."
    )
    cpu_s: float = Field(30, gt=0, description="CPU seconds one page may take.")
    wall_s: float = Field(60, gt=0, description="Seconds one page, or opening a document, may take.")
    max_document_faults: int = Field(
        8,
        ge=1,
        description="Pages of one document that may time out, crash or run out of memory; then the rest of it is a failure "
        "`over_budget`.",
    )
    document_page_s: float = Field(5, gt=0, description="Seconds a page may take that do not count against `render.document_s`.")
    document_s: float = Field(
        900,
        gt=0,
        description="Seconds beyond these that pages of one document may take in all; then the rest is `over_budget`.",
    )


class RegionSettings(Section):
    enabled: bool = Field(True, description="Look for regions that may hold a chart.")
    min_side_pt: float = Field(72, gt=0, description="A region's shorter side, points; smaller ones are icons and logos.")
    margin: float = Field(0.05, ge=0, le=0.5, description="Share of its own size added on each side of a region.")
    max_per_page: int = Field(12, ge=1, description="Regions of one page; the largest are kept.")
    max_pixels: int = Field(1344 * 1792, ge=1, description="Upper area of a region's own image.")
    min_pixels: int = Field(448 * 448, ge=1, description="Lower area of a region's own image.")


class ClassicSettings(Section):
    num_threads: int = Field(
        1, ge=1, description="Threads of each reader's OCR. Readers scale better than threads, and there is one for each core."
    )
    min_confidence: float = Field(0.5, ge=0, le=1, description="Recognised lines below this are left out and flagged.")
    tesseract_languages: list[str] | None = Field(
        None,
        description="Languages, as the program `tesseract` names its data (`ara`, `hin`), by which it may read pages that PP-OCR "
        "lacks the letters for. All that are installed by default; `[]`: such pages are refused.",
    )
    models_dir: Path | None = Field(
        None,
        description="Folder with PP-OCR models of one's own, on every machine that reads: ONNX files with `det`, `rec` or `cls` in "
        "their names, and a `.txt` with the characters where the recognition model does not hold them. What is not there is "
        "rapidocr's.",
    )


class ServerSettings(Section):
    base_url: str | None = Field(None, description="OpenAI-compatible endpoint, up to and including `/v1`.")
    api_key_env: str = Field("OPENAI_API_KEY", description="Environment variable with the key; unset means no key.")
    image_format: Literal["jpeg", "png", "webp"] = Field(
        "jpeg",
        description="Encoding of the images sent. `jpeg` (q 95, full chroma) takes a fifth of the CPU of `png`.",
    )
    profile: str = Field(
        "auto",
        min_length=1,
        description="How the model wants to be asked: the name of a profile, the path of a `.toml` file, or `auto`, which chooses "
        "by the model's name and else asks Pagefold's own way.",
    )
    response_format: Literal["json_schema", "json_object", "text"] = Field(
        "json_schema", description="Where to start; a server that refuses it is asked in the next looser one."
    )


class ScriptedSettings(Section):
    script: str | Path | None = Field(
        None, description="JSON file of answers, delays and faults, or the JSON itself; without one each page reads its own name."
    )


class OvisSettings(Section):
    device: str = Field("auto", description="`auto`, `cuda`, or `cpu`.")
    dtype: Literal["auto", "bfloat16", "float32"] = Field("auto", description="`auto`: bfloat16 on CUDA, float32 on the CPU.")
    num_threads: int | None = Field(None, ge=1, description="CPU threads of torch; all by default.")
    cache_dir: Path | None = Field(None, description="Where checkpoints from `s3://` are kept on each node.")
    kv_cache_bytes: int | None = Field(None, ge=MEBI, description="Size of the key/value cache; from free memory by default.")
    kv_block_tokens: int = Field(32, ge=16, le=64, description="Tokens in one block of the key/value cache.")
    attention: Literal["auto", "reference"] = Field(
        "auto", description="Kernels on CUDA: `auto` takes what measures fastest at the start and agrees with the reference."
    )
    decode_graphs: bool = Field(True, description="Decode steps are recorded as CUDA graphs where that measures faster.")
    drafts: bool = Field(
        True,
        description="Next tokens are proposed from the PDF's own text and from what was said before, and several are checked at "
        "once; the answers stay the same.",
    )
    max_batch: int = Field(64, ge=1, description="Requests decoded together.")
    max_vision_ahead: int = Field(8, ge=1, description="Images encoded ahead of the language model.")
    chart_thinking_tokens: int = Field(
        0, ge=0, le=32_768, description="A chart asked again may first think, up to this many tokens; 0: it never thinks."
    )


class EngineSettings(Section):
    name: EngineName = Field("classic", description="Who reads: `classic`, `server`, `ovis` or `scripted`.")
    model: str | None = Field(None, description="Model name, or for `ovis` a hub id, folder or `s3://` prefix.")
    revision: str | None = Field(None, description="Revision of the model; part of the recipe.")
    min_actors: int = Field(1, ge=1, description="Reader processes to start with.")
    max_actors: int | None = Field(
        None,
        ge=1,
        description="Reader processes at most; by default `min_actors`; for `classic` one for each CPU of the cluster.",
    )
    num_gpus: float = Field(0, ge=0, description="GPUs of each reader process; a fraction shares one.")
    max_in_flight: int | None = Field(
        None,
        ge=1,
        description="Rows (chunks of up to K pages in all) one reader process works on at once. By default 4 for `classic`, which "
        "reads one page after the other (what waits at one reader is not read by another), 16 for others, and for `server` as "
        "many as `max_requests` may need.",
    )
    max_requests: int | None = Field(
        None,
        ge=1,
        description="Requests one reader process has at the engine at once. For `server` the most, 256 by default: it begins with "
        "64, sends more while the endpoint does more for it, and fewer after 429, 503 and timeouts. For others the number, 64 by "
        "default; below `engine.ovis.max_batch` its batches stay short.",
    )
    timeout_s: float = Field(
        300, gt=0, description="Seconds one request may take, queueing in the engine included (`classic` counts its work alone)."
    )
    max_tries: int = Field(5, ge=1, description="Tries of one request on 429, 5xx, timeouts and lost connections.")
    classic: ClassicSettings = ClassicSettings()
    server: ServerSettings = ServerSettings()
    scripted: ScriptedSettings = ScriptedSettings()
    ovis: OvisSettings = OvisSettings()

    @model_validator(mode="after")
    def _consistent(self) -> "EngineSettings":
        if self.max_actors is not None and self.max_actors < self.min_actors:
            raise ValueError("max_actors is below min_actors")
        return self

    def most_actors(self, num_cpus: int) -> int:
        """`max_actors`, or what it is by default on a cluster of so many CPUs."""
        return self.max_actors or max(self.min_actors, num_cpus if self.name == "classic" else 1)

    @property
    def most_requests(self) -> int:
        """`max_requests`, or what it is by default."""
        return self.max_requests or (256 if self.name == "server" else 64)

    def in_flight(self, chunk_pages: int) -> int:
        """`max_in_flight`, or what it is by default with rows of up to so many pages, of which some have fewer."""
        enough = -(-3 * self.most_requests // (2 * chunk_pages)) if self.name == "server" else 0
        return self.max_in_flight or (4 if self.name == "classic" else max(16, enough))


_OF_ONE_ENGINE = frozenset({"model", "revision", "min_actors", "max_actors", "num_gpus", "max_in_flight", "max_requests"})
"""What a task's table takes from `[engine]` only if it names the same engine: the model of one is none of another's, and a reader
without a model needs no GPU."""


class EnginesSettings(EngineSettings):
    """`[engine]` reads every task; `[engine.ocr]` and `[engine.chart]` say who reads one of them, and need to state only what
    differs."""

    ocr: EngineSettings | None = Field(
        None,
        description="Who reads text, where that is not `[engine]`: `engine.ocr.` before any setting of `engine`. What is not set "
        "is as in `[engine]`; under another `name` model, revision, actors, GPUs and requests are not.",
    )
    chart: EngineSettings | None = Field(
        None,
        description="Who reads charts, where that is not `[engine]`: `engine.chart.` before any setting of `engine`, likewise.",
    )

    @model_validator(mode="before")
    @classmethod
    def _laid_over(cls, given: Any) -> Any:
        """Each task's table, completed by `[engine]`. A complete table stays as it is."""
        if not isinstance(given, Mapping):
            return given
        common = {name: _plain(value) for name, value in given.items() if name not in get_args(Task)}
        tables = {task: _over(common, given[task]) for task in get_args(Task) if isinstance(given.get(task), Mapping)}
        return {**given, **tables}

    def of(self, task: Task) -> EngineSettings:
        """Who reads this task."""
        return (self.ocr if task == "ocr" else self.chart) or self._common

    def each(self, change: Callable[[EngineSettings], EngineSettings]) -> "EnginesSettings":
        """The same, with `change` applied to the settings of every engine."""
        common = vars(change(self._common))
        return self.model_copy(update={**common, "ocr": self.ocr and change(self.ocr), "chart": self.chart and change(self.chart)})

    @property
    def _common(self) -> EngineSettings:
        return EngineSettings.model_construct(**{name: getattr(self, name) for name in EngineSettings.model_fields})


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, Section) else value


def _over(common: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    default = EngineSettings.model_fields["name"].default
    is_same = table.get("name") in (None, common.get("name", default))
    kept = {name: value for name, value in common.items() if is_same or name not in _OF_ONE_ENGINE}
    sections = {name: {**kept[name], **value} for name, value in table.items() if isinstance(kept.get(name), Mapping)}
    return {**kept, **table, **sections}


ChartsFrom = Literal["vector_first", "model", "vector"]
TextFrom = Literal["model", "layer_first"]


class ReadSettings(Section):
    tasks: list[Task] = Field(
        ["ocr", "chart"], min_length=1, description="What to ask of each page; an engine leaves out what it cannot."
    )
    max_output_tokens: int = Field(8192, ge=16, description="Upper length of one answer, tokens.")
    max_asks: int = Field(
        4,
        ge=1,
        description="How often one question is asked until its answer holds; after a loop from before it, with a penalty, hotter.",
    )
    temperature: float = Field(0.0, ge=0, le=2, description="Of the first ask; later asks go hotter.")
    transport: Transport = Field(
        "json",
        description="How `ovis` and `server` are asked for a page's text: as JSON under its schema, or as free `markdown`. "
        "Markdown has no boxes, so the places of charts on scans are then asked for besides, as JSON.",
    )
    running_text: bool = Field(
        False,
        description="Keep running heads, feet and page numbers in `text_markdown` and `text_plain`; they are in `blocks` anyway.",
    )
    charts_from: ChartsFrom = Field(
        "vector_first",
        description="Who reads charts: `vector_first` (their own drawing where it can be read exactly, a model elsewhere), `model` "
        "(always a model, the drawing beside it as a witness) or `vector` (no model is asked).",
    )
    text_from: TextFrom = Field(
        "model",
        description="Who reads text, where the engine is a model: `model` every page; `layer_first` scans, and pages whose text "
        "layer cannot be trusted or leaves ink unexplained: of all others the layer is the text, without the model.",
    )
    max_internal_errors: int = Field(
        64,
        ge=1,
        description="Pages in a row that meet a bug (`internal_error`), none read in between, after which the run ends as "
        "incomplete and leaves them open: a bug that hits everything shall not fail the bucket. One document counts for an "
        "eighth of it at most.",
    )


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
    render_workers: int | None = Field(None, ge=1, description="Render processes; one per CPU of the cluster by default.")
    probe_workers: int | None = Field(None, ge=1, description="Probe processes; one per four CPUs of the cluster by default.")
    grace_s: float = Field(30, ge=0, description="After SIGTERM or Ctrl-C: seconds to finish what is in flight.")


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
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Currency of the prices below, and of `runs.cost`.")
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


class Settings(Section):
    """All settings. `pagefold plan` prints them resolved."""

    input: InputSettings = InputSettings()
    fetch: FetchSettings = FetchSettings()
    render: RenderSettings = RenderSettings()
    regions: RegionSettings = RegionSettings()
    engine: EnginesSettings = EnginesSettings()
    read: ReadSettings = ReadSettings()
    plan: PlanSettings = PlanSettings()
    run: RunSettings = RunSettings()
    output: OutputSettings = OutputSettings()
    ray: RaySettings = RaySettings()
    watch: WatchSettings = WatchSettings()
    price: PriceSettings = PriceSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
