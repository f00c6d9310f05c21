"""The benchmarks of the engine `ovis` are known to run, at toy sizes; their figures mean nothing here."""

import json

import pytest

pytest.importorskip("torch", reason="the extra `ovis` (torch, transformers, llguidance) is not installed")

import torch

from schemas.page import Word
from tests.bench.ovis import drafts, engine
from tests.bench.ovis.gpu import __main__ as gpu
from tests.bench.ovis.gpu.measure import Parts, Row
from tests.bench.ovis.gpu.table import limit
from tests.bench.reading.cer import Sample
from tests.workers.engines.ovis.tiny import write_tokenizer
from workers.engines.ovis.checkpoint.loading import read_tokenizer


@pytest.fixture
def one_thread():
    """More wait for one another at each step, the longer the busier the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_the_gpu_benchmark_runs_anywhere_at_toy_sizes_and_ends_in_a_table(tmp_path, capsys, one_thread):
    report = tmp_path / "report.json"
    wanted = ["--tiny", "--no-tests", "--batches", "2", "--outputs", "24", "--pages", "2", "--dpi", "20", "--out", str(report)]
    assert gpu.main(wanted) == 0
    said = capsys.readouterr().out
    for name in ("tests/gpu", "kernel chosen", "refused", "steps recorded", "pages/s", "ms of a step", "bandwidth", "what binds"):
        assert f"\n{name} " in said
    rows = json.loads(report.read_text())["rows"]
    assert [row["right"] for row in rows] == [None, 0.0, 0.5, 0.9]
    assert all(row["pages_per_s"] > 0 for row in rows)
    assert rows[0]["num_drafted"] == 0
    assert rows[3]["decode_steps"] < rows[0]["decode_steps"] == 23  # the first token is the prefill's


def test_what_binds_is_what_takes_most_of_the_time():
    def binds(vision_s, decode_s, bandwidth):
        row = Row(16, 100, None, 10, seconds=1.0, decode_steps=100, num_drafted=0, num_accepted=0, num_preemptions=0)
        return limit(Parts(vision_s, 0.001, decode_s, 16, bandwidth), row)

    assert binds(0.01, 0.008, 0.6) == "the memory's bandwidth: decoding has 80% of the time and 60% of the bandwidth"
    assert binds(0.01, 0.008, 0.2).startswith("launches")
    assert binds(0.08, 0.001, 0.6) == "arithmetic, vision: 80% of the time"
    assert binds(0.01, 0.001, 0.6) == "the host: the parts account for 21% of the time"
    assert binds(0.01, 0.008, None) == "decoding: 80% of the time"


@pytest.mark.slow
def test_a_quick_run_leaves_out_what_there_is_no_time_for(capsys, monkeypatch, one_thread):
    monkeypatch.setattr(gpu, "QUICK_S", 0.0)
    wanted = ["--tiny", "--no-tests", "--quick", "--batches", "1", "--outputs", "4", "--pages", "1", "--dpi", "20"]
    assert gpu.main(wanted) == 0
    said = capsys.readouterr().out
    assert said.count("pages/s, ") == 1
    assert "3 runs, for lack of time" in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_gpu_the_real_sizes_are_refused(capsys):
    assert gpu.main([]) == 2
    assert "no CUDA device here" in capsys.readouterr().out


@pytest.mark.slow
def test_the_engine_benchmark_compares_equal_tokens(capsys, one_thread):
    assert engine.main(["--requests", "4", "--slots", "2", "--rounds", "1"]) == 0
    said = capsys.readouterr().out
    assert "medians: " in said
    assert "drafts right" in said


def test_the_drafts_benchmark_counts_steps_of_a_known_answer(tmp_path):
    write_tokenizer(tmp_path)
    bench = drafts.Bench(read_tokenizer(tmp_path))
    words = [
        Word(text, 0, 0, 9, 9, block=0, line=0, size_px=9)
        for text in ["total", "value", "of", "the", "first", "table", "in", "2024"]
    ]
    sample = Sample(tmp_path, "total value of the first table in 2024")
    counts = bench.counts(sample, words)
    saved = counts["Markdown", "layer"]
    assert saved.num_accepted == saved.num_drafted == saved.num_tokens - saved.num_steps
    assert saved.num_steps <= saved.num_tokens / 3
    assert counts["Markdown", "own text"].num_steps > saved.num_steps
    assert counts["JSON", "layer"].num_steps < counts["JSON", "layer"].num_tokens
