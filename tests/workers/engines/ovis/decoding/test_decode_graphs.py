"""Recorded decode steps, on the CPU: what would be recorded is run again each time, from the same fixed places."""

import pytest
import torch

from tests.workers.engines.ovis.batching.world import make_world, mixed, run
from tests.workers.engines.ovis.decoding.test_kernels import right
from workers.engines.ovis.attention.cache_attention import Kernels
from workers.engines.ovis.decoding import decode_graphs
from workers.engines.ovis.decoding.decode_graphs import DecodeGraphs, Shape, record_decode, shapes_up_to, sizes_up_to
from workers.engines.ovis.decoding.decoder import BatchRow, Decoder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def decoder(world):
    decoder = Decoder(world.engine.llm, 60, 16)
    decoder.kernels = Kernels(decode=right)
    return decoder


def again(step):
    """As a CUDA graph: run once, and then the same from the same places."""
    step()
    return step


@torch.inference_mode()
def with_sizes(decoder, *sizes, queries=(1,)):
    shapes = [Shape(each, size) for each in queries for size in sizes]
    graphs = DecodeGraphs(decoder, shapes, again)
    for shape in shapes:
        graphs.add(shape)
    return graphs


def paces(monkeypatch, plain_s, recorded_s):
    said = []

    def clocked(step, device):
        step()
        said.append(step)
        return plain_s if len(said) % 2 else recorded_s

    monkeypatch.setattr(decode_graphs, "clocked", clocked)


@pytest.mark.slow
@pytest.mark.parametrize("is_ahead", [False, True])
def test_mixed_requests_say_what_each_says_alone(world, is_ahead):
    requests = mixed(world, 24, seed=5)
    scheduler = world.scheduler(num_blocks=110, max_batch=7, is_ahead=is_ahead)
    decoder = scheduler.decoder
    decoder.kernels = Kernels(decode=right)
    graphs, used = with_sizes(decoder, 1, 4, 7), []

    def recorded(tokens, rows):
        used.append(len(rows))
        return graphs(tokens, rows)

    decoder.recorded = recorded
    run(scheduler, [(5 * index, sequence) for index, (_, sequence) in enumerate(requests)])
    assert scheduler.statistics.num_preemptions > 0
    assert set(used) >= {1, 2, 3, 4, 5, 6}  # whole recorded sizes and between them
    for has_grammar, sequence in requests:
        assert sequence.new_tokens == world.best_at_each_step(sequence, has_grammar=has_grammar)


@torch.inference_mode()
@pytest.mark.slow
def test_rows_without_a_request_write_nowhere_that_matters(decoder):
    rows = [BatchRow([3, 7], 20, 1), BatchRow([5], 4, 1)]
    tokens = torch.tensor([11, 12])
    plain = decoder.decode(tokens, rows)
    expected = decoder.keys[:, : decoder.waste_block].clone()
    decoder.wipe([3, 5, 7])
    decoder.recorded = with_sizes(decoder, 8)
    assert torch.allclose(decoder.decode(tokens, rows), plain, atol=1e-5)
    assert torch.allclose(decoder.keys[:, : decoder.waste_block], expected, atol=1e-5)
    assert not decoder.keys[:, decoder.zeros_block].any()


@torch.inference_mode()
@pytest.mark.slow
def test_more_rows_than_were_recorded_take_the_plain_step(decoder):
    rows = [BatchRow([index], 5, 1) for index in range(3)]
    plain = decoder.decode(torch.tensor([1, 2, 3]), rows)
    decoder.recorded = with_sizes(decoder, 2)
    assert decoder.recorded(torch.tensor([1, 2, 3]), rows) is None
    assert torch.equal(decoder.decode(torch.tensor([1, 2, 3]), rows), plain)


def test_sizes_reach_the_batch_that_is_wanted():
    assert sizes_up_to(1) == [1]
    assert sizes_up_to(20) == [1, 2, 4, 8, 16, 20]
    assert sizes_up_to(64) == [1, 2, 4, 8, 16, 32, 48, 64]
    assert sizes_up_to(1000)[-2:] == [512, 1000]


def test_with_drafts_half_batches_of_several_tokens_are_recorded_too():
    shapes = shapes_up_to(64, has_drafts=True)
    assert [shape for shape in shapes if shape.queries == 1] == shapes_up_to(64, has_drafts=False)
    assert {shape.queries for shape in shapes} == {1, 4, 8}
    assert Shape(8, 32) in shapes
    assert Shape(8, 64) not in shapes
    assert [shape.rows for shape in shapes_up_to(1, has_drafts=True)] == [1, 1, 1]


@torch.inference_mode()
@pytest.mark.parametrize("num_new", [[3, 1], [4, 4], [1, 8], [2, 2]])
@pytest.mark.slow
def test_rows_of_several_tokens_say_what_the_plain_step_says(decoder, num_new):
    rows = [BatchRow([3, 7], 20, num_new[0]), BatchRow([5], 11, num_new[1])]
    tokens = torch.arange(sum(num_new)) + 11
    plain = decoder.decode(tokens, rows)
    expected = decoder.keys[:, : decoder.waste_block].clone()
    decoder.wipe([3, 5, 7])
    decoder.recorded = with_sizes(decoder, 1, 3, queries=(1, 4, 8))
    assert torch.allclose(decoder.decode(tokens, rows), plain, atol=1e-5)
    assert torch.allclose(decoder.keys[:, : decoder.waste_block], expected, atol=1e-5)
    assert not decoder.keys[:, decoder.zeros_block].any()


@pytest.mark.slow
def test_what_is_faster_is_kept_and_the_cache_is_left_empty(decoder, monkeypatch):
    paces(monkeypatch, 2.0, 1.0)
    graphs = record_decode(decoder, 20, record=again)
    assert graphs.shapes == [Shape(1, size) for size in (1, 2, 4, 8, 16, 20)]
    assert not decoder.keys[:, : decoder.waste_block].any()
    assert not decoder.values[:, : decoder.waste_block].any()


@pytest.mark.slow
def test_a_batch_larger_than_the_cache_has_blocks_is_not_recorded(decoder, monkeypatch):
    paces(monkeypatch, 2.0, 1.0)
    assert record_decode(decoder, 500, record=again).shapes[-1] == Shape(1, 60)


def test_what_is_not_faster_is_dropped(decoder, monkeypatch):
    paces(monkeypatch, 1.0, 1.0)
    assert record_decode(decoder, 20, record=again) is None


def test_what_is_wrong_is_dropped_and_the_log_says_so(decoder, monkeypatch, caplog):
    def says_the_same_for_ever(step):
        step()
        return lambda: None

    paces(monkeypatch, 2.0, 1.0)
    assert record_decode(decoder, 4, record=says_the_same_for_ever) is None
    assert "a recorded decode step of 4 rows is off by" in caplog.text


def test_recording_that_fails_leaves_the_plain_step_and_a_dead_device_flies(decoder, monkeypatch, caplog):
    def fails(step):
        raise torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing")

    assert record_decode(decoder, 4, record=fails) is None
    assert "could not be recorded" in caplog.text
    monkeypatch.setattr(decode_graphs, "still_works", lambda device: False)
    with pytest.raises(torch.AcceleratorError):
        record_decode(decoder, 4, record=fails)


def test_one_size_that_fails_costs_the_smaller_ones_too_but_keeps_the_larger(decoder, monkeypatch):
    recorded = []

    def fails_at_last(step):
        recorded.append(step)
        if len(recorded) == 3:
            raise torch.OutOfMemoryError("no room")
        return again(step)

    paces(monkeypatch, 2.0, 1.0)
    assert record_decode(decoder, 8, record=fails_at_last).shapes == [Shape(1, 4), Shape(1, 8)]


@pytest.mark.slow
def test_nothing_is_recorded_where_lengths_are_needed_on_the_host_or_there_is_no_gpu(decoder, tmp_path):
    assert record_decode(decoder, 4) is None
    decoder.kernels = Kernels()
    assert record_decode(decoder, 4, record=again) is None
    windowed = Decoder(make_world(tmp_path, use_sliding_window=True, sliding_window=8, max_window_layers=0).engine.llm, 60, 16)
    windowed.kernels = Kernels(decode=right)
    assert record_decode(windowed, 4, record=again) is None
