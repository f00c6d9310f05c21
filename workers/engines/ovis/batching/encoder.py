"""Encodes images in the vision tower, a bounded number ahead of the language model. A picture is encoded once for all its
requests."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from workers.engines.ovis.attention.transfer import to_device
from workers.engines.ovis.batching.sequence import Picture
from workers.engines.ovis.decoding.device import is_sticky
from workers.engines.ovis.model.vision import Grid

MAX_PATCHES = 16_384
"""Most patches of one pass: one page at the 9B's limit (12,544), or several small pictures."""


class ImageEncoder:
    """`embed(patches [num_patches, channels * p * p] float32, grids) -> atoms`; `levels` [channels, 256] maps levels to floats."""

    def __init__(self, embed: Callable[[Tensor, list[Grid]], Tensor], levels: Tensor, ahead: int) -> None:
        self._embed, self._levels, self.ahead = embed, levels, ahead
        self._atoms: OrderedDict[bytes, Tensor] = OrderedDict()
        self.seconds = 0.0
        self.num_encoded = 0

    def has(self, pictures: Iterable[Picture]) -> bool:
        return all(picture.digest in self._atoms for picture in pictures)

    def atoms(self, pictures: Sequence[Picture]) -> Tensor:
        """[num_atoms, hidden] of all pictures in order; they must have been encoded."""
        for picture in pictures:
            self._atoms.move_to_end(picture.digest)
        return torch.cat([self._atoms[picture.digest] for picture in pictures])

    def run(self, wanted: Sequence[Picture]) -> tuple[int, dict[bytes, Exception]]:
        """Encodes the first of the `wanted` pictures that are not encoded yet, as many as fit into one pass.

        Gives the number of encoded pictures, and the errors of those that could not be encoded; one bad picture fails alone. An
        error that breaks the device (`is_sticky`) is raised, because it is no picture's fault.
        """
        distinct = {picture.digest: picture for picture in wanted}
        chosen: list[Picture] = []
        patches = 0
        for digest, picture in distinct.items():
            if digest in self._atoms:
                continue
            patches += len(picture.levels)
            if chosen and patches > MAX_PATCHES:
                break
            chosen.append(picture)
        if not chosen:
            return 0, {}
        started = time.perf_counter()
        errors: dict[bytes, Exception] = {}
        try:
            self._encode(chosen)
        except Exception as error:
            if is_sticky(error):
                raise
            for picture in chosen:  # each alone, to find the one at fault
                try:
                    self._encode([picture])
                except Exception as own:
                    if is_sticky(own):
                        raise
                    errors[picture.digest] = own
        self.seconds += time.perf_counter() - started
        self._forget(keep=set(distinct))
        return len(chosen) - len(errors), errors

    def forget(self, pictures: Iterable[Picture]) -> None:
        """Drops the pictures, which are encoded again when they are needed."""
        for picture in pictures:
            self._atoms.pop(picture.digest, None)

    def _encode(self, pictures: Sequence[Picture]) -> None:
        device = self._levels.device
        (packed,) = to_device(device, np.concatenate([picture.levels for picture in pictures]))
        channels = len(self._levels)
        of_channel = torch.arange(channels, device=device).repeat_interleave(packed.shape[1] // channels)
        atoms = self._embed(self._levels[of_channel, packed.long()], [picture.grid for picture in pictures])
        for picture, own in zip(pictures, torch.split(atoms, [picture.num_atoms for picture in pictures]), strict=True):
            self._atoms[picture.digest] = own.clone()
        self.num_encoded += len(pictures)

    def _forget(self, keep: set[bytes]) -> None:
        """Drops pictures down to the bound, the least recently used first. Those in `keep` stay, because waiting requests need
        them."""
        for digest in list(self._atoms):
            if len(self._atoms) <= self.ahead:
                return
            if digest not in keep:
                del self._atoms[digest]
