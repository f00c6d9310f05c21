"""Charts that are easily read wrong."""

from collections.abc import Callable
from typing import Any

from tests.bench.inputs.made_charts.made import Made, Rows

MPL_TRAPS = [
    "errors", "lineerrors", "box", "waterfall", "hatch", "dual", "duallines", "step", "ribbon", "broken", "combo",
    "overlay", "nolegend", "samecolour", "bubble", "fitline", "hist", "threshold", "panels", "truncated", "cutoff",
    "symlog", "stem", "range", "otherlabels", "inverted", "translucent", "round", "grid", "heat", "pictogram", "colourbar",
]  # fmt: skip

TRAP_FORMS: dict[str, dict[str, Any]] = {
    "errors": {"type": "bar"}, "lineerrors": {"type": "line"}, "hatch": {"type": "bar_grouped"},
    "dual": {"type": "dual", "unnamed": 1}, "duallines": {"type": "dual", "unnamed": 1, "numx": 1}, "round": {"type": "bar"},
    "colourbar": {"type": "scatter"},
    "step": {"type": "line"},
    "ribbon": {"type": "line"}, "combo": {"type": "dual"}, "overlay": {"type": "bar_grouped"}, "samecolour": {"type": "line"},
    "bubble": {"type": "scatter"}, "fitline": {"type": "scatter"}, "threshold": {"type": "bar"}, "truncated": {"type": "bar"},
    "otherlabels": {"type": "bar"}, "inverted": {"type": "line"}, "translucent": {"type": "area"},
}  # fmt: skip
"""Of the traps whose data can be answered as rows."""
OWN_LABELS = ("panels", "grid", "heat", "pictogram", "broken")
"""Traps to which no title is added."""


def matplotlib_trap(ax: Any, made: Made, kind: str, scale: float, plt: Any) -> Rows:
    import numpy as np

    names = made.names(4, 6)
    values = [made.value(scale) for _ in names]
    plain = [("", x, y) for x, y in zip(names, values, strict=True)]
    years = list(range(2010, 2020))
    if kind == "errors":
        ax.bar(names, values, yerr=[0.1 * value for value in values], capsize=3)
    elif kind == "lineerrors":
        ys = made.walk(10, scale)
        ax.errorbar(years, ys, yerr=[abs(0.1 * y) for y in ys])
        return [("", str(x), y) for x, y in zip(years, ys, strict=True)]
    elif kind == "box":
        ax.boxplot([[made.value(scale) for _ in range(20)] for _ in names], tick_labels=names, patch_artist=True)
    elif kind == "waterfall":
        steps = [made.value(scale, -30, 40) for _ in names]
        starts = np.concatenate([[50 * scale], 50 * scale + np.cumsum(steps)[:-1]])
        ax.bar(names, steps, bottom=starts)
        return [("", x, y) for x, y in zip(names, steps, strict=True)]
    elif kind == "hatch":
        more = [made.value(scale) for _ in names]
        x = np.arange(len(names))
        ax.bar(x, values, 0.4, label="Plan", color="white", edgecolor="black", hatch="//")
        ax.bar(x + 0.4, more, 0.4, label="Actual", color="white", edgecolor="black", hatch="xx")
        ax.set_xticks(x + 0.2, names)
        ax.legend()
        return [("Plan", *row[1:]) for row in plain] + [("Actual", n, v) for n, v in zip(names, more, strict=True)]
    elif kind == "dual":
        ax.bar(names, values, color="#88aacc")
        other = ax.twinx()
        more = [made.value(1) for _ in names]
        other.plot(names, more, color="red", marker="o")
        return [("a", *row[1:]) for row in plain] + [("b", n, v) for n, v in zip(names, more, strict=True)]
    elif kind == "duallines":
        one, two = made.walk(10, scale), made.walk(10, 3.7 * scale)
        ax.plot(years, one, label="Oslo")
        other = ax.twinx()
        other.plot(years, two, color="red", label="Rome")
        return [("Oslo", str(x), y) for x, y in zip(years, one, strict=True)] + [
            ("Rome", str(x), y) for x, y in zip(years, two, strict=True)
        ]
    elif kind == "step":
        ys = made.walk(10, scale)
        ax.step(years, ys)
        return [("", str(x), y) for x, y in zip(years, ys, strict=True)]
    elif kind == "ribbon":
        ys = np.array(made.walk(10, scale))
        ax.plot(years, ys)
        ax.fill_between(years, ys - 5 * scale, ys + 5 * scale, alpha=0.3)
        return [("", str(x), float(y)) for x, y in zip(years, ys, strict=True)]
    elif kind == "broken":
        plt.close("all")
        _, (top, bottom) = plt.subplots(2, 1, sharex=True)
        values[1] = 8 * max(values)
        for part in (top, bottom):
            part.bar(names, values)
        top.set_ylim(0.8 * values[1], 1.05 * values[1])
        bottom.set_ylim(0, 1.3 * sorted(values)[-2])
        top.spines.bottom.set_visible(False)
        bottom.spines.top.set_visible(False)
        return [("", x, y) for x, y in zip(names, values, strict=True)]
    elif kind == "combo":
        more = [made.value(scale) for _ in names]
        ax.bar(names, values, label="Plan")
        ax.plot(names, more, color="red", label="Actual")
        ax.legend()
        return [("Plan", *row[1:]) for row in plain] + [("Actual", n, v) for n, v in zip(names, more, strict=True)]
    elif kind == "overlay":
        more = [0.6 * value for value in values]
        ax.bar(names, values, label="Plan", alpha=0.5)
        ax.bar(names, more, label="Actual", alpha=0.5)
        ax.legend()
        return [("Plan", *row[1:]) for row in plain] + [("Actual", n, v) for n, v in zip(names, more, strict=True)]
    elif kind == "nolegend":
        x = np.arange(len(names))
        more = [made.value(scale) for _ in names]
        ax.bar(x, values, 0.4)
        ax.bar(x + 0.4, more, 0.4)
        ax.set_xticks(x + 0.2, names)
        return [("a", *row[1:]) for row in plain] + [("b", n, v) for n, v in zip(names, more, strict=True)]
    elif kind == "samecolour":
        one, two = made.walk(10, scale), made.walk(10, scale)
        ax.plot(years, one, color="black", label="Oslo")
        ax.plot(years, two, color="black", label="Rome")
        ax.legend()
        return [("Oslo", str(x), y) for x, y in zip(years, one, strict=True)] + [
            ("Rome", str(x), y) for x, y in zip(years, two, strict=True)
        ]
    elif kind == "bubble":
        points = [(made.value(1), made.value(scale), made.random.uniform(20, 300)) for _ in range(15)]
        ax.scatter([p[0] for p in points], [p[1] for p in points], s=[p[2] for p in points])
        return [("", str(x), y) for x, y, _ in points]
    elif kind == "fitline":
        xs = np.array([made.value(1) for _ in range(20)])
        ys = np.array([x * scale + made.value(scale, -10, 10) for x in xs])
        ax.scatter(xs, ys)
        ax.plot([xs.min(), xs.max()], [xs.min() * scale, xs.max() * scale])
        return [("", str(x), float(y)) for x, y in zip(xs, ys, strict=True)]
    elif kind == "hist":
        ax.hist([made.random.gauss(0, 1) for _ in range(200)], bins=12)
    elif kind == "threshold":
        ax.bar(names, values)
        ax.axhline(50 * scale, color="red")
    elif kind == "panels":
        made.traits["panels"] = []
        plt.close("all")
        _, parts = plt.subplots(1, 2, sharey=True)
        more = [made.value(scale) for _ in names]
        parts[0].bar(names, values)
        parts[1].bar(names, more)
        for part in parts:
            plt.setp(part.get_xticklabels(), rotation=90)
        return [("a", *row[1:]) for row in plain] + [("b", n, v) for n, v in zip(names, more, strict=True)]
    elif kind == "truncated":
        ax.bar(names, [80 * scale + 0.1 * value for value in values])
        ax.set_ylim(75 * scale, 92 * scale)
        return [("", x, 80 * scale + 0.1 * y) for x, y in zip(names, values, strict=True)]
    elif kind == "cutoff":
        ax.bar(names, values)
        ax.set_ylim(0, 0.7 * max(values))
    elif kind == "symlog":
        xs = list(range(10))
        ys = [10.0**index for index in range(10)]
        ax.plot(xs, ys)
        ax.set_yscale("symlog")
        return [("", str(x), y) for x, y in zip(xs, ys, strict=True)]
    elif kind == "stem":
        ax.stem(years, made.walk(10, scale))
    elif kind == "range":
        ax.bar(names, [0.4 * value for value in values], bottom=[0.3 * value for value in values])
    elif kind == "otherlabels":
        bars = ax.bar(names, values)
        ax.bar_label(bars, labels=[f"{made.random.randint(-30, 30)} %" for _ in names])
    elif kind == "inverted":
        ys = made.walk(10, scale)
        ax.plot(years, ys)
        ax.invert_yaxis()
        return [("", str(x), y) for x, y in zip(years, ys, strict=True)]
    elif kind == "translucent":
        one, two = [abs(v) for v in made.walk(10, scale)], [abs(v) for v in made.walk(10, scale)]
        ax.fill_between(years, one, alpha=0.5, label="Oslo")
        ax.fill_between(years, two, alpha=0.5, label="Rome")
        ax.legend()
        return [("Oslo", str(x), y) for x, y in zip(years, one, strict=True)] + [
            ("Rome", str(x), y) for x, y in zip(years, two, strict=True)
        ]
    elif kind in SHAPES:
        return SHAPES[kind](ax, made, scale, plt)
    return plain


def _round(ax: Any, made: Made, scale: float, _: Any) -> Rows:
    from matplotlib.patches import FancyBboxPatch

    names = made.names(4, 6)
    values = [made.value(scale) for _ in names]
    for place, value in enumerate(values):
        shape = "round,pad=0,rounding_size=0.15"
        ax.add_patch(FancyBboxPatch((place - 0.3, 0), 0.6, value, boxstyle=shape, fc="C2", mutation_aspect=max(values) / 5))
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_ylim(0, 1.15 * max(values))
    ax.set_xticks(range(len(names)), names)
    return [("", x, y) for x, y in zip(names, values, strict=True)]


def _grid(_: Any, made: Made, scale: float, plt: Any) -> Rows:
    made.traits["panels"] = []
    plt.close("all")
    down, across = made.random.choice(((1, 2), (2, 2), (2, 1)))
    _, grid = plt.subplots(down, across, figsize=(3.1 * across, 2.6 * down), layout="constrained", squeeze=False)
    rows: Rows = []
    for part in grid.flat:
        names = made.names(3, 5)
        part.bar(range(len(names)), values := [made.value(scale) for _ in names])
        part.set_xticks(range(len(names)), names, rotation=made.random.choice([35, 90]))
        part.set_title(title := made.series(1, 1)[0])
        rows += [(title, x, y) for x, y in zip(names, values, strict=True)]
    return rows


def _heat(ax: Any, made: Made, _: float, plt: Any) -> Rows:
    numbers = [[round(made.random.uniform(0, 1), 2) for _ in range(6)] for _ in range(5)]
    image = ax.pcolormesh(numbers, cmap=made.random.choice(("viridis", "Blues", "RdBu")), edgecolors="white")
    cells = [(row, column, value) for row, line in enumerate(numbers) for column, value in enumerate(line)]
    for row, column, value in cells:
        ax.text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=8)
    plt.colorbar(image, ax=ax, label="correlation")
    return [(str(row), str(column), value) for row, column, value in cells]


def _pictogram(ax: Any, made: Made, scale: float, _: Any) -> Rows:
    names = made.names(3, 5)
    values = [made.value(scale) for _ in names]
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        num_icons = max(1, round(10 * value / max(values)))
        ax.scatter(range(num_icons), [place] * num_icons, marker="p", s=90, color="C1")
        ax.text(-1, place, name, ha="right", va="center")
        ax.text(num_icons + 0.2, place, f"{value:g}", va="center")
    ax.set_axis_off()
    return [("", x, y) for x, y in zip(names, values, strict=True)]


def _colourbar(ax: Any, made: Made, scale: float, plt: Any) -> Rows:
    points = [(round(made.random.gauss(5, 2), 2), made.value(scale)) for _ in range(40)]
    image = ax.scatter([x for x, _ in points], [y for _, y in points], c=[x for x, _ in points], s=18)
    plt.colorbar(image, ax=ax, label="sum")
    return [("", str(x), y) for x, y in points]


SHAPES: dict[str, Callable[[Any, Made, float, Any], Rows]] = {
    "round": _round, "grid": _grid, "heat": _heat, "pictogram": _pictogram, "colourbar": _colourbar,
}  # fmt: skip
"""More than bars and lines."""
