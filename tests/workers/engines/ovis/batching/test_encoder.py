"""Pictures through the vision tower: what one bad picture costs, and what a dead device does."""

import numpy as np
import pytest
import torch

from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.sequence import Picture


def picture(number):
    return Picture(bytes([number]) * 16, np.full((4, 3), number, dtype=np.uint8), (1, 2, 2), 1)


def encoder(embed):
    return ImageEncoder(embed, torch.arange(256.0).repeat(3, 1), ahead=4)


def test_one_bad_picture_costs_itself():
    def embed(patches, grids):
        if 2 in patches:
            raise RuntimeError("this one")
        return torch.stack([part.mean(0) for part in patches.split(4)])

    one = encoder(embed)
    num_encoded, errors = one.run([picture(number) for number in (1, 2, 3)])
    assert num_encoded == 2
    assert {digest: str(error) for digest, error in errors.items()} == {picture(2).digest: "this one"}
    assert one.atoms([picture(3), picture(1)]).tolist() == [[3.0] * 3, [1.0] * 3]


@pytest.mark.parametrize("error", [torch.AcceleratorError("CUDA error: an illegal memory access"), RuntimeError("CUDA error: x")])
def test_a_dead_device_is_no_pictures_fault(error):
    def embed(patches, grids):
        raise error

    with pytest.raises(RuntimeError, match="CUDA error"):
        encoder(embed).run([picture(1), picture(2)])


def test_a_picture_that_does_not_fit_the_memory_costs_itself():
    def embed(patches, grids):
        raise torch.OutOfMemoryError("CUDA out of memory")

    _, errors = encoder(embed).run([picture(1), picture(2)])
    assert len(errors) == 2
