"""Rows of conformance checks, each with its largest error and its limit (gate), and functions that compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

EXACT = 0.0
GATE_EMBEDDED, GATE_FEATURES, GATE_PROBABILITIES, GATE_INPUTS, GATE_LOGITS = 2e-5, 1.5e-4, 1.5e-5, 4e-5, 1.5e-4


@dataclass(frozen=True)
class ComparisonRow:
    """One check. `error` is the largest absolute difference, or the number of differences in an exact check; None if the check did
    not run. `gate` is the limit for the error; None if it is only recorded."""

    name: str
    error: float | None
    gate: float | None
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.gate is None or (self.error is not None and self.error <= self.gate)

    def __str__(self) -> str:
        error = "did not run" if self.error is None else f"{self.error:.2e}" if self.error else "0"
        gate = "-" if self.gate is None else f"{self.gate:.1e}" if self.gate else "exact"
        verdict = "ok" if self.ok else "FAILED"
        return f"{self.name:<44} {error:>12} {gate:>9}  {verdict if self.gate is not None else 'recorded':<8} {self.note}".rstrip()


class Arrays:
    """The arrays of golden.npz. It notes which of them were used."""

    def __init__(self, path: Path) -> None:
        self._arrays = np.load(path)
        self._seen: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> Any:
        self._seen.add(name)
        return self._arrays[name]

    @property
    def unseen(self) -> list[str]:
        return sorted(name for name in set(self._arrays.files) - self._seen if "UNUSED" not in name)


class Drift:
    """The largest difference over several comparisons, with the spread of the wanted numbers."""

    def __init__(self) -> None:
        self.largest = self.spread = 0.0

    def add(self, got: Tensor, wanted: Any) -> None:
        expected = torch.from_numpy(wanted).double()
        self.largest = max(self.largest, float((got.double() - expected).abs().max()))
        self.spread = max(self.spread, float(expected.std()))

    @property
    def note(self) -> str:
        return f"standard deviation {self.spread:.2g}"


def exact(name: str, num_wrong: int | bool, note: str = "") -> ComparisonRow:
    return ComparisonRow(name, float(num_wrong), EXACT, note)


def close(name: str, got: Tensor, wanted: Any, gate: float) -> ComparisonRow:
    """A check of two tensors. NaN is an infinite error. Raises ValueError if the shapes differ."""
    expected = torch.as_tensor(wanted)
    if got.shape != expected.shape:
        raise ValueError(f"{name}: shape {tuple(got.shape)}, expected {tuple(expected.shape)}")
    worst = float((got.double() - expected.double()).abs().max())
    return ComparisonRow(name, worst if worst == worst else float("inf"), gate)


def differing(got: Sequence[int], wanted: Sequence[int]) -> int:
    return sum(a != b for a, b in zip(got, wanted, strict=False)) + abs(len(got) - len(wanted))
