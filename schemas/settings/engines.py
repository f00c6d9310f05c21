"""Who reads, and how each engine does it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from schemas.failure import Task
from schemas.settings.section import MEBI, Section

EngineName = Literal["classic", "server", "ovis", "scripted"]


class ClassicSettings(Section):
    num_threads: int = Field(
        1, ge=1, description="Threads of each reader's OCR. Readers scale better than threads, and there is one for each core."
    )
    pages_at_once: int | None = Field(
        None,
        ge=1,
        description="Pages that a reader reads at once, each in a thread with an OCR of its own. By default 1; with "
        "`run.on = local` as many as there would be readers, because threads of one reader share the pages of every document.",
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
        "reads one page after the other (what waits at one reader is not read by another), or twice `pages_at_once`; 16 for "
        "others, and for `server` as many as `max_requests` may need.",
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
        if self.name == "classic":
            return self.max_in_flight or max(4, 2 * (self.classic.pages_at_once or 1))
        enough = -(-3 * self.most_requests // (2 * chunk_pages)) if self.name == "server" else 0
        return self.max_in_flight or max(16, enough)

    def in_one_process(self, num_cpus: int) -> "EngineSettings":
        """The same where all readers are in one process: for `classic` they become threads of one reader."""
        if self.name != "classic":
            return self
        pages_at_once = self.most_actors(num_cpus) * (self.classic.pages_at_once or 1)
        classic = self.classic.model_copy(update={"pages_at_once": pages_at_once})
        return self.model_copy(update={"min_actors": 1, "max_actors": 1, "classic": classic})


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
