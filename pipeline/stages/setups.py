"""What the processes of each stage get when they start: their part of the settings, and what the run knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.object_store.store import Store
from pipeline.planning.engines import TaskEngine, run_engines
from pipeline.planning.recipes import LAYER_FIRST
from schemas.failure import Task
from schemas.plan import Recipe
from schemas.settings import (
    EngineSettings,
    FetchSettings,
    Images,
    LogSettings,
    ReadSettings,
    RegionSettings,
    RenderSettings,
    Settings,
)
from workers.engines.registry import portable
from workers.reading.vector_recipe import VECTOR
from workers.rendering.bounds import Bounds
from workers.rendering.renderer import Renderer
from workers.rendering.renderers import Renderers


@dataclass(frozen=True, kw_only=True)
class RenderSetup:
    """What a process that renders gets."""

    fetch: FetchSettings
    render: RenderSettings
    regions: RegionSettings
    passwords: list[str] = field(repr=False)
    log: LogSettings
    run_id: str
    draws_regions: bool = True
    """False if nobody is asked about the pictures of regions: then they are found, and not drawn a second time."""
    reads_drawings: bool = True
    """False if charts are not asked for: then nobody reads what a region's drawing says."""
    images: Images = "none"
    most_renderers: int = 1
    """Renderers that the stages with this setup have in one process, all together."""

    @cached_property
    def renderers(self) -> Renderers:
        """Made in the process that uses them, and shared by its stages: a child for probing alone costs as much as one that
        draws."""

        return Renderers(self.make_renderer, self.most_renderers)

    def make_renderer(self) -> Renderer:
        return Renderer(
            self.render,
            self.regions,
            self.passwords,
            draws_regions=self.draws_regions,
            reads_drawings=self.reads_drawings,
            images=self.images,
        )

    @classmethod
    def of(cls, settings: Settings, recipes: Mapping[Task, Recipe], run_id: str, *, most_renderers: int = 1) -> "RenderSetup":
        """The setup for a run. Regions are searched only if charts are asked for, if they change the text, or if their pictures
        are kept."""
        chart, text, images = recipes.get("chart"), recipes.get("ocr"), settings.output.images
        is_wanted = chart is not None or images != "none" or (text is not None and "regions" in text.options)
        is_searched = settings.regions.enabled and is_wanted
        return cls(
            fetch=settings.fetch,
            render=settings.render,
            regions=settings.regions.model_copy(update={"enabled": is_searched}),
            passwords=[password.get_secret_value() for password in settings.input.passwords],
            log=settings.log,
            run_id=run_id,
            draws_regions=draws_regions(recipes),
            reads_drawings=chart is not None,
            images=images,
            most_renderers=most_renderers,
        )


def draws_regions(recipes: Mapping[Task, Recipe]) -> bool:
    """True if an engine is asked about the pictures of regions; charts that are read from their drawing need none."""
    chart = recipes.get("chart")
    return chart is not None and chart.engine != VECTOR


@dataclass(frozen=True, kw_only=True)
class ProbeSetup:
    """What a process that probes gets. It opens files in the same way as a process that renders."""

    rendering: RenderSetup
    known: Mapping[str, str] = field(default_factory=dict)
    """The plan's `known`: see `schemas.plan.Plan`."""


@dataclass(frozen=True, kw_only=True)
class ReadSetup:
    """What a process that reads gets."""

    engine: EngineSettings
    in_flight: int
    """Rows that it works on at once."""
    tasks: tuple[Task, ...]
    """What it reads."""
    reads_layers: bool = False
    """True if it reads text layers, and leaves all other pages to the engine."""
    later: tuple[Task, ...] = ()
    """What the readers after it read of the same pages."""
    read: ReadSettings
    regions: RegionSettings
    bounds: Bounds
    recipes: Mapping[Task, Recipe]
    run_id: str
    store: Store
    log: LogSettings
    images: Images = "none"
    words: bool = False
    """True if the table `words` is filled."""


def read_setups(settings: Settings, recipes: Mapping[Task, Recipe], run_id: str, store: Store) -> list[ReadSetup]:
    """The setups of a run's readers, in the order in which they read a page. Raises EngineStartError if an engine's settings name a
    file that cannot be read here."""
    engines = run_engines(settings.engine, recipes)
    bounds = Bounds.of(settings.render, settings.regions, draws_regions=draws_regions(recipes), images=settings.output.images)

    def setup(read_by: TaskEngine, after: Sequence[TaskEngine], *, reads_layers: bool = False) -> ReadSetup:
        return ReadSetup(
            engine=portable(read_by.engine),
            in_flight=read_by.engine.in_flight(settings.plan.chunk_pages),
            tasks=read_by.tasks,
            reads_layers=reads_layers,
            later=tuple(dict.fromkeys(task for one in after for task in one.tasks)),
            read=settings.read,
            regions=settings.regions,
            bounds=bounds,
            recipes=recipes,
            run_id=run_id,
            store=store,
            log=settings.log,
            images=settings.output.images,
            words=settings.output.words,
        )

    found = [setup(read_by, engines[place + 1 :]) for place, read_by in enumerate(engines)]
    if "ocr" in recipes and LAYER_FIRST in recipes["ocr"].options:
        layers = TaskEngine(("ocr",), EngineSettings(timeout_s=settings.engine.of("ocr").timeout_s))
        found.insert(0, setup(layers, engines, reads_layers=True))
    return found
