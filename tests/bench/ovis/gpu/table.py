"""The table in which the benchmark ends: what was chosen and refused, how fast it is, and what binds it."""

import logging
from dataclasses import dataclass, field

from tests.bench.ovis.gpu.measure import Parts, Row

ENOUGH_BANDWIDTH = 0.5
"""Share of the memory's bandwidth above which decoding is bound by it."""


class Notes(logging.Handler):
    """Keeps what the engine's modules log: which kernels they chose, and what they refused and why."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.chosen: list[str] = []
        self.refused: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.refused.append(said)
        elif said.startswith("attention of "):
            self.chosen.append(said.removeprefix("attention of "))


@dataclass
class Measured:
    """All runs of one batch size."""

    kernels: str
    recorded: list[str]
    break_even: float
    parts: Parts
    rows: list[Row] = field(default_factory=list)

    @property
    def plain(self) -> Row:
        """The run without drafts, which is the first."""
        return self.rows[0]


def share_of(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def limit(parts: Parts, plain: Row) -> str:
    """What binds a run without drafts."""
    shares = parts.shares(plain)
    if (busy := sum(shares.values())) < 0.8:
        return f"the host: the parts account for {busy:.0%} of the time"
    largest = max(shares, key=lambda name: shares[name])
    if largest != "decode":
        return f"arithmetic, {largest}: {shares[largest]:.0%} of the time"
    if parts.bandwidth_share is None:
        return f"decoding: {shares[largest]:.0%} of the time"
    what = "the memory's bandwidth" if parts.bandwidth_share >= ENOUGH_BANDWIDTH else "launches, not the memory"
    return f"{what}: decoding has {shares[largest]:.0%} of the time and {parts.bandwidth_share:.0%} of the bandwidth"


def table(tests: str, notes: Notes, measured: list[Measured], left_out: int) -> str:
    """The lines, for the batch size that is fastest without drafts."""
    best = max(measured, key=lambda one: one.plain.pages_per_s)
    parts, plain = best.parts, best.plain
    shares = parts.shares(plain)
    lines = [
        ("tests/gpu", tests),
        *(("kernel chosen", said) for said in notes.chosen or [f"{best.kernels} (vision/prompts/decoding)"]),
        *(("refused", said) for said in notes.refused or ["nothing"]),
        ("steps recorded", ", ".join(best.recorded) or "none"),
        ("drafts pay above", f"{best.break_even:.0%} acceptance, at {plain.max_batch} rows"),
        ("batch, output", f"{plain.max_batch} pages, {plain.num_output} tokens each"),
        *(
            ("pages/s", f"{row.pages_per_s:.2f} {'without drafts' if row.right is None else f'with drafts {row.right:.0%} right'}")
            for row in best.rows
        ),
        ("ms of a page", f"vision {1e3 * parts.vision_s:.1f}, prefill {1e3 * parts.prefill_s:.1f}"),
        ("ms of a step", f"decode {1e3 * parts.decode_s:.1f}, {parts.rows} rows"),
        ("shares of time", ", ".join(f"{name} {share:.0%}" for name, share in shares.items())),
        ("bandwidth", share_of(parts.bandwidth_share)),
        ("what binds", limit(parts, plain)),
    ]
    if left_out:
        lines.append(("left out", f"{left_out} runs, for lack of time"))
    return "\n".join(f"{name:18}{said}" for name, said in lines)
