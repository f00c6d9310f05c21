"""Charts of random data as vector PDFs, with their data, by whichever producers are installed:
`python -m tests.bench made_charts OUT --seed N [--each K]`.

For `tests.bench vector_charts`, `chart_regions` and `chart_checks`. OUT gets NAME.pdf, NAME.csv (`series,x,y`) and meta.json, as
`../shared/charts` has them; `panels` there: boxes of panels, shares of the page. Needs nothing of Pagefold and runs in any
environment: matplotlib, seaborn, plotly 5 with kaleido 0.2, altair with vl-convert, reportlab, pygal with cairosvg, the commands
`gnuplot` and `Rscript` (ggplot2). What is missing is left out, and said. Names that begin with `trap_` are charts that are easily
read wrong: they have to be refused, or read in full.
"""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.inputs.made_charts.made import Made
from tests.bench.inputs.made_charts.traps import MPL_TRAPS, TRAP_FORMS
from tests.bench.inputs.made_charts.with_matplotlib import MPL_KINDS, matplotlib, seaborn
from tests.bench.inputs.made_charts.with_others import gnuplot, pygal, r, reportlab
from tests.bench.inputs.made_charts.with_vega import altair, plotly

PRODUCERS: dict[str, tuple[Callable[[Path, Made, str, str], None], list[str]]] = {
    "mpl": (matplotlib, MPL_KINDS),
    "sns": (seaborn, ["bar", "barh", "grouped", "line", "scatter"]),
    "plo": (
        plotly,
        ["bar", "barh", "neg", "grouped", "stacked", "line", "dates", "log", "scatter", "area", "pie", "donut", "hatched", "step"],
    ),
    "alt": (
        altair,
        [
            "bar",
            "barh",
            "grouped",
            "stacked",
            "line",
            "dates",
            "log",
            "scatter",
            "area",
            "pie",
            "round",
            "gradient",
            "step",
            "heat",
            "panels",
        ],
    ),
    "rl": (reportlab, ["bar", "barh", "neg", "stacked", "line", "pie", "3d"]),
    "pyg": (pygal, ["bar", "barh", "neg", "stacked", "line", "pie"]),
    "gp": (gnuplot, ["hist", "stacked", "line", "points", "log", "scatter", "area", "hatched", "step"]),
    "r": (
        r,
        [
            "rbar",
            "rbarh",
            "rgrouped",
            "rstacked",
            "rline",
            "rpie",
            "ggbar",
            "ggbarh",
            "gggrouped",
            "ggstacked",
            "ggline",
            "ggscatter",
            "ggarea",
            "rhatched",
            "rstep",
            "rpanels",
        ],
    ),
    "trap": (matplotlib, MPL_TRAPS),
}


TRAPS = ("hatched", "step", "round", "gradient", "heat", "panels", "3d")
"""Kinds of other producers that are as easily read wrong."""
PRODUCER_NAMES = {"mpl": "matplotlib", "sns": "seaborn", "plo": "plotly", "alt": "altair", "rl": "reportlab", "pyg": "pygal",
                  "gp": "gnuplot", "r": "R", "trap": "matplotlib"}  # fmt: skip
FORMS: dict[str, dict[str, Any]] = {
    "neg": {"type": "bar"}, "labels": {"type": "bar", "labels": 1}, "grouped": {"type": "bar_grouped"},
    "stacked": {"type": "bar_stacked"}, "percent": {"type": "bar_stacked"}, "hist": {"type": "bar_grouped"},
    "markers": {"type": "line"}, "points": {"type": "line"}, "log": {"type": "line", "logy": 1},
    "dates": {"type": "line", "datex": 1}, "area": {"type": "area_stacked"}, "donut": {"type": "pie"},
    "hatched": {"type": "bar_grouped"}, "round": {"type": "bar"}, "gradient": {"type": "bar"}, "3d": {"type": "bar"},
    "heat": {"type": "trap_heat"}, "panels": {"type": "trap_panels"},
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
                is_trap = kind.removeprefix("r") in TRAPS and producer != "trap"
                prefix = f"{'trap_' if is_trap else ''}{producer}_{given.seed}{index}"
                made = Made(f"{given.seed} {producer} {kind} {index}")
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
