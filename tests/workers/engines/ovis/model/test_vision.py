"""Self-consistency on shapes that no reference data covers."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from workers.engines.ovis.model.configuration import NUM_INDICATORS, Ovis2_5Config, Ovis2_5VisionConfig
from workers.engines.ovis.model.vision import VisionTower, to_merge_order, window_order
from workers.engines.ovis.model.visual_tokenizer import CHUNK_ATOMS, VisualTokenizer

SMALL = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 3, "image_size": 64}


def tower(**overrides):
    torch.manual_seed(0)
    return VisionTower(Ovis2_5VisionConfig(**(SMALL | overrides))).eval()


def pixels(model, grids):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(sum(t * h * w for t, h, w in grids), 3 * model.config.patch_size**2, generator=generator)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"patch_size": 14, "hidden_stride": 3, "image_size": 70},
        {"num_attention_heads": 2},
        {"fullatt_block_indexes": "1", "window_size": 64},
        {"use_rope": False},
        {"preserve_original_pe": False},
        {"num_patches": 100},
        {"hidden_act": "relu"},
    ],
)
def test_packed_images_give_what_each_gives_alone(shape):
    model = tower(**shape)
    stride = model.config.hidden_stride
    grids = [(1, 4 * stride, 3 * stride), (1, 2 * stride, 5 * stride), (2, stride, stride)]
    patches = pixels(model, grids)
    with torch.no_grad():
        packed = model(patches, grids)
        counts = [t * h * w for t, h, w in grids]
        alone = torch.cat([model(part, [grid]) for part, grid in zip(torch.split(patches, counts), grids, strict=True)])
    assert packed.shape == (sum(counts) // stride**2, 24 * stride**2)
    assert torch.allclose(packed, alone, atol=1e-5)


def test_frames_of_a_video_do_not_see_each_other():
    model = tower()
    patches = pixels(model, [(2, 4, 4)])
    with torch.no_grad():
        both = model(patches, [(2, 4, 4)])
        second = model(patches[16:], [(1, 4, 4)])
    assert torch.allclose(both[4:], second, atol=1e-5)


def test_windows_as_large_as_the_image_are_full_attention():
    full, windowed = tower(), tower(fullatt_block_indexes="0", window_size=512)
    windowed.load_state_dict(full.state_dict())
    patches = pixels(full, [(1, 6, 4)])
    with torch.no_grad():
        assert torch.allclose(full(patches, [(1, 6, 4)]), windowed(patches, [(1, 6, 4)]), atol=1e-5)


def test_windows_are_cut_row_by_row_and_smaller_at_the_edges():
    # given 2 x 3 cells of 1 patch each, and windows of 2 x 2 cells
    config = Ovis2_5VisionConfig(**SMALL, hidden_stride=1, window_size=32)
    order, lengths = window_order([(1, 2, 3)], config)
    assert order.tolist() == [0, 1, 3, 4, 2, 5]
    assert lengths == [4, 2]


def test_merge_order_puts_the_patches_of_a_cell_side_by_side():
    at = torch.arange(8).view(2, 4)
    assert to_merge_order(at, 2).tolist() == [0, 1, 4, 5, 2, 3, 6, 7]


def test_position_tables_of_the_images_own_size_are_added_as_they_are():
    model = tower()  # 64 px of 16: a table of 4 x 4
    table = model.vision_model.embeddings.position_embedding.weight
    with torch.no_grad():
        positions = model.vision_model.embeddings._positions([(1, 4, 4)])
    assert torch.allclose(positions, to_merge_order(table.view(4, 4, -1), 2), atol=1e-6)


def test_chunks_of_atoms_give_what_all_at_once_give():
    config = Ovis2_5Config(vit_config=SMALL, llm_config={"hidden_size": 16}, visual_vocab_size=40)
    torch.manual_seed(0)
    tokenizer, table = VisualTokenizer(config).eval(), torch.randn(40, 16)
    features = torch.randn(2 * CHUNK_ATOMS + 7, 24 * 4)
    with torch.no_grad():
        assert torch.allclose(
            tokenizer.embed(features, table), tokenizer.probabilities(features) @ table[:-NUM_INDICATORS], atol=1e-6
        )


class LargestTensor(TorchDispatchMode):
    """Bytes of the largest tensor that anything under it makes."""

    num_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.num_bytes = max(self.num_bytes, tensor.numel() * tensor.element_size())
        return made


@pytest.mark.slow
def test_the_largest_image_makes_no_tensor_of_all_its_atoms_and_words():
    # given an image of 3,136 atoms, and as many words to an atom as make the probabilities by far the largest thing
    config = Ovis2_5Config(vit_config=SMALL, llm_config={"hidden_size": 16}, visual_vocab_size=5000)
    tokenizer, table = VisualTokenizer(config).eval(), torch.randn(5000, 16)
    patches = torch.zeros(4 * 3136, 3 * 16 * 16)
    with torch.no_grad(), LargestTensor() as largest:
        atoms = tokenizer.embed(tokenizer.features(patches, [(1, 112, 112)]), table)
    assert atoms.shape == (3136, 16)
    assert largest.num_bytes <= max(CHUNK_ATOMS * 5000 * 4, patches.numel() * 4)
    assert largest.num_bytes < 3136 * 5000 * 4 / 1.5


@pytest.mark.parametrize("wrong", [{"temporal_patch_size": 2}, {"hidden_size": 25}])
def test_a_tower_that_cannot_be_built_is_refused(wrong):
    with pytest.raises(ValueError, match=r"temporal_patch_size|hidden_size"):
        Ovis2_5VisionConfig(**(SMALL | wrong))
