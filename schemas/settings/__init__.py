"""Every setting, in one frozen class per stage. An unknown name is an error. Descriptions say unit and reason.

`pipeline.config` resolves the settings once; each worker receives only its part.
"""

from schemas.settings.documents import (
    ChartsFrom,
    FetchSettings,
    InputSettings,
    ReadSettings,
    RegionSettings,
    RenderSettings,
    TextFrom,
    Transport,
)
from schemas.settings.engines import (
    ClassicSettings,
    EngineName,
    EngineSettings,
    EnginesSettings,
    OvisSettings,
    ScriptedSettings,
    ServerSettings,
)
from schemas.settings.runs import (
    Images,
    LogSettings,
    MetricsSettings,
    On,
    OutputSettings,
    PlanSettings,
    PriceSettings,
    RaySettings,
    Redo,
    RunSettings,
    WatchSettings,
)
from schemas.settings.section import MEBI, Section

__all__ = [
    "MEBI",
    "ChartsFrom",
    "ClassicSettings",
    "EngineName",
    "EngineSettings",
    "EnginesSettings",
    "FetchSettings",
    "Images",
    "InputSettings",
    "LogSettings",
    "MetricsSettings",
    "On",
    "OutputSettings",
    "OvisSettings",
    "PlanSettings",
    "PriceSettings",
    "RaySettings",
    "ReadSettings",
    "Redo",
    "RegionSettings",
    "RenderSettings",
    "RunSettings",
    "ScriptedSettings",
    "Section",
    "ServerSettings",
    "Settings",
    "TextFrom",
    "Transport",
    "WatchSettings",
]


class Settings(Section):
    """All settings. `pagefold plan --json` prints them resolved."""

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
