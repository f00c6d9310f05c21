"""A sample of real files that none of us made; all of them: `python -m tests.bench sweep_render`."""

import pytest

from tests.bench.inputs.places import SHARED_DATA
from tests.bench.rendering.sweep_render import inputs, sweep

EVERY = 12


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED_DATA / "manifest.jsonl").exists(), reason="no shared data beside the checkout")
def test_real_inputs_end_as_their_manifest_expects() -> None:
    outcomes = list(sweep(inputs(SHARED_DATA)[::EVERY], SHARED_DATA, max_pages=2))

    assert [each for each in outcomes if not each.agrees] == []
    assert len(outcomes) >= 40
