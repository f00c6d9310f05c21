"""The benchmarks of the engine `ovis` are known to run, at toy sizes; their figures mean nothing here."""

import json

import pytest

pytest.importorskip("torch", reason="the extra `ovis` (torch, transformers, llguidance) is not installed")

import torch

from schemas.page import Word
from tests.bench import drafts, engine, gpu
from tests.bench.cer import Sample
from tests.workers.engines.ovis.tiny import write_tokenizer
from workers.engines.ovis.checkpoint.loading import read_tokenizer


@pytest.mark.slow
def test_the_gpu_benchmark_runs_anywhere_at_toy_sizes(tmp_path, capsys):
    report = tmp_path / "report.json"
    wanted = ["--tiny", "--batches", "1,2", "--outputs", "8", "--pages", "2", "--dpi", "20", "--out", str(report)]
    assert gpu.main(wanted) == 0
    assert "toy sizes" in capsys.readouterr().out
    said = json.loads(report.read_text())
    assert [(row["max_batch"], row["num_output"], row["num_pages"]) for row in said["rows"]] == [(1, 8, 2), (2, 8, 2)]
    assert all(row["pages_per_s"] > 0 and row["decode_tokens_per_s"] > 0 for row in said["rows"])
    assert all(set(row["share"]) == {"vision", "prefill", "decode"} for row in said["rows"])
    assert (said["dpi"], said["rows"][0]["num_prompt"]) == (20, said["rows"][0]["num_atoms"] + 402)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_gpu_the_real_sizes_are_refused(capsys):
    assert gpu.main([]) == 2
    assert "no CUDA device here" in capsys.readouterr().out


@pytest.mark.slow
def test_the_engine_benchmark_compares_equal_tokens(capsys, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    assert engine.main(["--requests", "6", "--slots", "3"]) == 0
    assert "x of tokens / slots" in capsys.readouterr().out


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
