"""Bytes that were a document once: flipped, cut, doubled, spliced. How often: see `seeds`."""

import random
from pathlib import Path

import pytest

from schemas.settings import RegionSettings
from tests.workers.hostile.seeds import seeds
from tests.workers.hostile.test_hostile_inputs import EXPECTED, SETTINGS, read
from workers.rendering.renderer import Renderer

EXAMPLES = Path(__file__).resolve().parents[3] / "pipeline" / "examples"
SMALL_BYTES = 60_000
ALLOWED = {*EXPECTED, "empty", "encrypted"}


def mutated(dice: random.Random, bodies: list[bytes]) -> bytes:
    body = bytearray(dice.choice(bodies))
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(body) + 1)
        how = dice.choice(["flip", "cut", "double", "splice", "number"])
        if how == "flip" and at < len(body):
            body[at] = dice.randrange(256)
        elif how == "cut":
            del body[at : at + dice.randint(1, 400)]
        elif how == "double":
            body[at:at] = body[at : at + dice.randint(1, 400)]
        elif how == "splice":
            other = dice.choice(bodies)
            start = dice.randrange(len(other))
            body[at:at] = other[start : start + dice.randint(1, 400)]
        else:
            body[at:at] = dice.choice([b"99999999999", b"-1", b"0", b"1e38", b"null", b"<<", b"]", b"4 0 R"])
    return bytes(body)


@pytest.mark.slow
def test_no_mutation_costs_more_than_itself(tmp_path: Path) -> None:
    bodies = [path.read_bytes() for path in sorted(EXAMPLES.iterdir()) if path.stat().st_size < SMALL_BYTES]
    path = tmp_path / "mutated"
    with Renderer(SETTINGS, RegionSettings(), []) as renderer:
        for seed in seeds(20):
            path.write_bytes(mutated(random.Random(seed), bodies))
            _, pages, why = read(renderer, path)
            kinds = {page.failure.kind for page in pages if page.failure} | ({why} if why else set())
            assert kinds <= ALLOWED, f"seed {seed}: {kinds}"
