"""Copies from the host to the device without waiting, through pinned memory, which torch reuses only after the copy is done."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def pinned(tensor: Tensor) -> Tensor:
    """A copy in page-locked memory. A transfer from pageable memory would first wait for all queued work of the device."""
    return tensor.pin_memory()


def to_device(device: torch.device, *arrays: npt.NDArray[Any]) -> list[Tensor]:
    """The arrays on the device, transferred in one copy; they must have one dtype. On the CPU the tensors share the arrays'
    memory."""
    if device.type == "cpu":
        return [torch.from_numpy(array) for array in arrays]
    together = torch.from_numpy(np.concatenate([array.ravel() for array in arrays]))
    there = pinned(together).to(device, non_blocking=True)
    parts = torch.split(there, [array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]
