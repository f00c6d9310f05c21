"""What workers/README.md says of Ovis2.5 is so: its example runs, its memory figures are those of the code."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.refresh_readme import PAGES
from workers.engines.ovis.decoding import device
from workers.engines.ovis.decoding.decoder import block_bytes

TEXT = PAGES["workers/README.md"].read_text("utf-8")

# layers, key/value heads, head size, bytes of the weights, visual tokens of the largest image
SIZES = {"2B": (28, 8, 128, 5_140_859_344, 2352), "9B": (36, 8, 128, 18_349_615_568, 3136)}
PROMPT, ANSWER = 300, 1000


def token_bytes(size):
    layers, heads, head_dim, *_ = SIZES[size]
    config = SimpleNamespace(num_hidden_layers=layers, num_key_value_heads=heads, head_dim=head_dim)
    return block_bytes(config, 1, torch.bfloat16)


@pytest.mark.slow
def test_the_example_of_the_auto_classes_runs(checkpoint, tmp_path, monkeypatch, capsys):
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "workers.engines.ovis.auto" in code]
    assert '"models/Ovis2.5-2B"' in code
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "Ovis2.5-2B").symlink_to(checkpoint)
    pixels = np.random.default_rng(0).integers(0, 256, (450, 460, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "page.png")
    monkeypatch.chdir(tmp_path)

    exec(compile(code, "README", "exec"), {})  # the README's own example

    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(("size", "kibibytes", "a_page"), [("2B", 112, "0.39"), ("9B", 144, "0.61")])
def test_a_token_and_a_page_cost_what_the_readme_says(size, kibibytes, a_page):
    assert token_bytes(size) == kibibytes * 1024
    visual = SIZES[size][-1]
    assert f"{(visual + PROMPT + ANSWER) * token_bytes(size) / 2**30:.2f}" == a_page
    assert f"{kibibytes} KiB a token" in TEXT
    assert f"{a_page} GiB" in TEXT
    assert f"{SIZES[size][3] / 1e9:.1f} GB" in TEXT


def test_as_many_pages_fit_a_gpu_as_the_readme_says(monkeypatch):
    (row,) = re.findall(r"^\| full pages at once on 24, 48, 80 GiB \| (.*) \|$", TEXT, re.MULTILINE)
    expected = row.split(" | ")
    for size, said in zip(SIZES, expected, strict=True):
        weights, visual = SIZES[size][3:]
        pages = []
        for gibibytes in (24, 48, 80):
            total = gibibytes * 2**30
            monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, total=total, weights=weights: (total - weights, total))
            monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _, weights=weights: weights)
            free = device.free_bytes(torch.device("cuda"), 1.0)
            pages.append(int(free // ((visual + PROMPT + ANSWER) * token_bytes(size))))
        assert ", ".join(map(str, pages)) == said
