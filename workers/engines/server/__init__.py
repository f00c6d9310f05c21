"""Asks any OpenAI-compatible chat-completions endpoint: vLLM, SGLang, llama.cpp, Ollama, or a hosted one."""

from schemas.settings import EngineSettings
from workers.engines.engine import Engine
from workers.engines.server.description import check, describe, portable

__all__ = ["check", "describe", "make", "portable"]


def make(settings: EngineSettings) -> Engine:
    from workers.engines.server.engine import ServerEngine

    return ServerEngine(settings)
