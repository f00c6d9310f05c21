"""What each stage's processes are given once, as they start: their part of the settings, and what the run knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.object_store.store import Store
from schemas.failure import Task
from schemas.plan import Recipe
from schemas.settings import EngineSettings, FetchSettings, LogSettings, ReadSettings, RegionSettings, RenderSettings, Settings
from workers.engines.registry import portable
from workers.rendering.bounds import Bounds


@dataclass(frozen=True, kw_only=True)
class RenderSetup:
    """What a process that renders is given."""

    fetch: FetchSettings
    render: RenderSettings
    regions: RegionSettings
    passwords: list[str] = field(repr=False)
    log: LogSettings
    run_id: str

    @classmethod
    def of(cls, settings: Settings, run_id: str) -> "RenderSetup":
        """Regions are looked for only where charts are asked for."""
        is_chart_asked = "chart" in settings.read.tasks
        return cls(
            fetch=settings.fetch,
            render=settings.render,
            regions=settings.regions.model_copy(update={"enabled": settings.regions.enabled and is_chart_asked}),
            passwords=[password.get_secret_value() for password in settings.input.passwords],
            log=settings.log,
            run_id=run_id,
        )


@dataclass(frozen=True, kw_only=True)
class ProbeSetup:
    """What a process that probes is given: it opens files as one that renders does."""

    rendering: RenderSetup
    known: Mapping[str, str] = field(default_factory=dict)
    """See `schemas.plan.Plan`."""


@dataclass(frozen=True, kw_only=True)
class ReadSetup:
    """What a process that reads is given."""

    engine: EngineSettings
    read: ReadSettings
    regions: RegionSettings
    bounds: Bounds
    recipes: Mapping[Task, Recipe]
    run_id: str
    store: Store
    log: LogSettings

    @classmethod
    def of(cls, settings: Settings, recipes: Mapping[Task, Recipe], run_id: str, store: Store) -> "ReadSetup":
        """Raises EngineStartError where the engine's settings name a file that cannot be read here."""
        return cls(
            engine=portable(settings.engine),
            read=settings.read,
            regions=settings.regions,
            bounds=Bounds.of(settings.render, settings.regions),
            recipes=recipes,
            run_id=run_id,
            store=store,
            log=settings.log,
        )
