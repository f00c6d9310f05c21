"""Settings that break the engine in the reader process they are unpickled in: a fault that only a GPU would bring, without one."""

import time
from pathlib import Path
from typing import Any

from schemas.settings import EngineSettings


class Sabotaged(EngineSettings):
    """Like EngineSettings, but each reader process that gets it loses its device once: whoever removes `flag` first.

    `after` forward steps later the model raises what torch raises when a kernel has died on a GPU, or hangs for ever."""

    flag: Path
    after: int = 40
    hangs: bool = False

    def __reduce__(self) -> Any:
        return _sabotage, (self.flag, self.after, self.hangs, self.model_dump(exclude={"flag", "after", "hangs"}))


def _sabotage(flag: Path, after: int, hangs: bool, settings: dict[str, Any]) -> EngineSettings:
    import torch

    from workers.engines.ovis.decoding.decoder import Decoder

    forward, left = Decoder.forward, [after]

    def dies(self: Any, *args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] <= 0 and flag.exists():
            flag.unlink()
            if hangs:
                time.sleep(3600)
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")
        return forward(self, *args, **kwargs)

    Decoder.forward = dies
    return EngineSettings.model_validate(settings)
