"""From the host to the device without a wait: pinned memory, which torch hands out again only when the copy is done."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def pinned(tensor: Tensor) -> Tensor:
    """A copy in page-locked memory. From pageable memory a copy first waits for all that the device still has to do."""
    return tensor.pin_memory()


def to_device(device: torch.device, *arrays: npt.NDArray[Any]) -> list[Tensor]:
    """All in one copy; they must be of one dtype. On the CPU the tensors share the arrays' memory."""
    if device.type == "cpu":
        return [torch.from_numpy(array) for array in arrays]
    together = torch.from_numpy(np.concatenate([array.ravel() for array in arrays]))
    there = pinned(together).to(device, non_blocking=True)
    parts = torch.split(there, [array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]
