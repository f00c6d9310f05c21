import sys
from importlib import import_module

import pytest

from schemas.settings import EngineSettings
from workers import engines
from workers.engines import registry
from workers.engines.engine import EngineStartError


def missing(name):
    def load(module):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return load


@pytest.mark.parametrize("package", ["torch", "transformers.models.qwen3", "llguidance"])
def test_the_missing_extra_is_named_in_one_sentence(monkeypatch, package):
    monkeypatch.setattr(registry, "import_module", missing(package))
    with pytest.raises(EngineStartError, match=r"pip install 'pagefold\[ovis\]'"):
        registry.make_engine(EngineSettings(name="ovis"))


def test_any_other_missing_module_is_a_bug_and_flies(monkeypatch):
    monkeypatch.setattr(registry, "import_module", missing("httpx"))
    with pytest.raises(ModuleNotFoundError):
        registry.make_engine(EngineSettings(name="server"))


def test_describing_the_classic_engine_loads_no_model(monkeypatch):
    monkeypatch.setattr(engines, "classic", import_module("workers.engines.classic"))  # comes back at the end
    for module in ("rapidocr", "onnxruntime", "cv2"):
        monkeypatch.setitem(sys.modules, module, None)  # importing it would raise
    for module in [name for name in sys.modules if name.startswith("workers.engines.classic")]:
        monkeypatch.delitem(sys.modules, module)
    assert registry.describe_engine(EngineSettings(name="classic")).name == "classic"


@pytest.mark.parametrize("name", ["classic", "server", "scripted"])
def test_every_engine_describes_itself_under_its_own_name(name):
    assert import_module(registry.MODULES[name])
    assert registry.describe_engine(EngineSettings(name=name)).name == name


@pytest.mark.parametrize(
    ("given", "most", "in_flight"),
    [
        ({}, 8, 4),
        ({"min_actors": 12}, 12, 4),
        ({"max_actors": 2}, 2, 4),
        ({"name": "server"}, 1, 48),
        ({"name": "server", "max_requests": 64}, 1, 16),
        ({"name": "server", "max_requests": 1000}, 1, 188),
        ({"name": "ovis", "min_actors": 2, "max_in_flight": 3}, 2, 3),
    ],
)
def test_classic_has_a_reader_for_each_cpu_and_others_have_one(given, most, in_flight):
    settings = EngineSettings.model_validate(given)
    assert (settings.most_actors(num_cpus=8), settings.in_flight(chunk_pages=8)) == (most, in_flight)


@pytest.mark.parametrize(
    ("given", "readers", "pages_at_once", "in_flight"),
    [
        ({}, 1, 8, 16),
        ({"max_actors": 2}, 1, 2, 4),
        ({"max_actors": 2, "classic": {"pages_at_once": 3}}, 1, 6, 12),
        ({"max_in_flight": 3}, 1, 8, 3),
        ({"name": "server", "max_actors": 2}, 2, None, 48),
    ],
)
def test_in_one_process_readers_of_classic_become_threads_of_one(given, readers, pages_at_once, in_flight):
    settings = EngineSettings.model_validate(given).in_one_process(num_cpus=8)
    assert settings.most_actors(num_cpus=8) == readers
    assert (settings.classic.pages_at_once, settings.in_flight(chunk_pages=8)) == (pages_at_once, in_flight)
