"""Charts of random data as vector PDFs, with their data, by whichever producers are installed:
`python -m tests.bench.made_charts OUT --seed N [--each K]`.

For `tests.bench.vector_charts`. Needs nothing of Pagefold and runs in any environment: matplotlib, seaborn, plotly 5 with kaleido
0.2, altair with vl-convert, reportlab, pygal with cairosvg, the commands `gnuplot` and `Rscript` (ggplot2). What is missing is left
out, and said. Names that begin with `trap_` are charts that are easily read wrong: they have to be refused, or read in full.
"""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.made_charts.made import Made
from tests.bench.made_charts.traps import MPL_TRAPS, TRAP_FORMS
from tests.bench.made_charts.with_matplotlib import MPL_KINDS, matplotlib, seaborn
from tests.bench.made_charts.with_others import gnuplot, pygal, r, reportlab
from tests.bench.made_charts.with_vega import altair, plotly

PRODUCERS: dict[str, tuple[Callable[[Path, Made, str, str], None], list[str]]] = {
    "mpl": (matplotlib, MPL_KINDS),
    "sns": (seaborn, ["bar", "barh", "grouped", "line", "scatter"]),
    "plo": (plotly, ["bar", "barh", "grouped", "stacked", "line", "dates", "log", "scatter", "area", "pie", "donut"]),
    "alt": (altair, ["bar", "barh", "grouped", "stacked", "line", "dates", "scatter", "area", "pie"]),
    "rl": (reportlab, ["bar", "barh", "line", "pie"]),
    "pyg": (pygal, ["bar", "barh", "stacked", "line", "pie"]),
    "gp": (gnuplot, ["hist", "stacked", "line", "points", "scatter"]),
    "r": (r, ["rbar", "rgrouped", "rline", "ggbar", "ggbarh", "gggrouped", "ggstacked", "ggline", "ggscatter", "ggarea"]),
    "trap": (matplotlib, MPL_TRAPS),
}


PRODUCER_NAMES = {"mpl": "matplotlib", "sns": "seaborn", "plo": "plotly", "alt": "altair", "rl": "reportlab", "pyg": "pygal",
                  "gp": "gnuplot", "r": "R", "trap": "matplotlib"}  # fmt: skip
FORMS: dict[str, dict[str, Any]] = {
    "neg": {"type": "bar"}, "labels": {"type": "bar", "labels": 1}, "grouped": {"type": "bar_grouped"},
    "stacked": {"type": "bar_stacked"}, "percent": {"type": "bar_stacked"}, "hist": {"type": "bar_grouped"},
    "markers": {"type": "line"}, "points": {"type": "line"}, "log": {"type": "line", "logy": 1},
    "dates": {"type": "line", "datex": 1}, "area": {"type": "area_stacked"}, "donut": {"type": "pie"},
}  # fmt: skip
"""What meta.json says of a kind that is not called as its type is."""


def traits_of(producer: str, kind: str) -> dict[str, Any]:
    if producer == "trap":
        return TRAP_FORMS.get(kind, {"type": f"trap_{kind}"})
    plain = kind.removeprefix("gg").removeprefix("r") if producer == "r" else kind
    return FORMS.get(plain, {"type": plain})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=2, help="charts of each kind")
    parser.add_argument("--producers", default=",".join(PRODUCERS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    meta: dict[str, dict[str, Any]] = {}
    for producer in given.producers.split(","):
        draw, kinds = PRODUCERS[producer]
        command = {"gp": "gnuplot", "r": "Rscript"}.get(producer)
        if command and not shutil.which(command):
            print(f"{producer}: `{command}` is not installed")
            continue
        for index in range(given.each):
            for kind in kinds:
                prefix, made = f"{producer}_{given.seed}{index}", Made(f"{given.seed} {producer} {kind} {index}")
                try:
                    draw(given.out, made, prefix, kind)
                    meta[f"{prefix}_{kind}"] = {"producer": PRODUCER_NAMES[producer], **traits_of(producer, kind), **made.traits}
                except ImportError as error:
                    print(f"{producer}: {error}")
                    break
                except Exception as error:  # noqa: BLE001 (a chart that a library cannot draw is no chart)
                    print(f"{producer} {kind}: {type(error).__name__}: {error}"[:300])
    (given.out / "meta.json").write_text(json.dumps(meta, indent=1))


if __name__ == "__main__":
    main()
