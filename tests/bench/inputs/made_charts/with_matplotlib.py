"""Charts by matplotlib and seaborn."""

import datetime as dt
from pathlib import Path
from typing import Any

from tests.bench.inputs.made_charts.made import Made, Rows, save
from tests.bench.inputs.made_charts.traps import OWN_LABELS, matplotlib_trap

MPL_KINDS = [
    "bar",
    "barh",
    "neg",
    "labels",
    "grouped",
    "stacked",
    "percent",
    "line",
    "markers",
    "log",
    "dates",
    "scatter",
    "area",
    "pie",
    "donut",
]
LEGENDS: list[dict[str, Any]] = [
    {"loc": "best"},
    {"loc": "upper left", "ncols": 2},
    {"loc": "lower center"},
    {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)},
    {"loc": "center right", "bbox_to_anchor": (-0.2, 0.5)},
    {"loc": "upper center", "bbox_to_anchor": (0.5, -0.35), "ncols": 4},
]


def matplotlib(out: Path, made: Made, prefix: str, kind: str) -> None:
    import matplotlib as mpl

    mpl.use("pdf")
    import matplotlib.pyplot as plt
    import numpy as np

    styles = [
        "default",
        "ggplot",
        "bmh",
        "fivethirtyeight",
        "seaborn-v0_8-whitegrid",
        "seaborn-v0_8",
        "grayscale",
        "classic",
        "fast",
        "dark_background",
    ]
    with plt.style.context(made.random.choice(styles)):
        mpl.rcParams["pdf.fonttype"] = made.random.choice([3, 42])
        fig, ax = plt.subplots(figsize=(made.random.uniform(4.5, 8), made.random.uniform(3.2, 5.5)))
        rows: Rows = []
        scale = made.scale()
        name = f"{prefix}_{kind}"
        if kind in ("bar", "barh", "neg", "labels"):
            names = made.names()
            low = -60 if kind == "neg" else 5
            values = [made.value(scale, low) for _ in names]
            bars = (ax.barh if kind == "barh" else ax.bar)(
                names, values, color=made.random.choice([None, "teal", "#336699"]), edgecolor=made.random.choice([None, "black"])
            )
            if kind == "labels":
                ax.bar_label(bars, fmt=made.random.choice(["%.4g", "%g"]), padding=2)
            rows = [("", x, y) for x, y in zip(names, values, strict=True)]
            if kind != "barh":
                plt.setp(
                    ax.get_xticklabels(),
                    rotation=made.random.choice([0, 30, 45, 90]),
                    ha=made.random.choice(["right", "center"]) if made.chance() else "right",
                )
        elif kind in ("grouped", "stacked", "percent"):
            names, series = made.names(3, 6), made.series(2, 4)
            data = np.array([[made.value(scale) for _ in names] for _ in series])
            if kind == "percent":
                data = 100 * data / data.sum(axis=0)
            x, base, width = np.arange(len(names)), np.zeros(len(names)), 0.8 / len(series)
            for index, one in enumerate(series):
                if kind == "grouped":
                    ax.bar(x + index * width, data[index], width, label=one)
                else:
                    ax.bar(x, data[index], bottom=base, label=one)
                    base += data[index]
                rows += [(one, n, float(v)) for n, v in zip(names, data[index], strict=True)]
            ax.set_xticks(x + (width * (len(series) - 1) / 2 if kind == "grouped" else 0), names, rotation=30, ha="right")
            ax.legend(**made.random.choice(LEGENDS))
        elif kind in ("line", "markers", "log", "dates"):
            series = made.series(1, 4)
            number = made.random.randint(6, 30)
            if kind == "dates":
                start = dt.date(made.random.randint(2005, 2022), made.random.randint(1, 12), 1)
                xs = [
                    start + dt.timedelta(days=made.random.choice([7, 30, 91]) * 0 + step * index)
                    for step in [made.random.choice([1, 7, 30, 91])]
                    for index in range(number)
                ]
            else:
                first = made.random.choice([0, 1, 1995, 2005])
                xs = list(range(first, first + number))
            for one in series:
                ys = made.walk(number, scale)
                if kind == "log":
                    ys = [
                        float(f"{10 ** (made.random.uniform(-0.3, 0.3) + index / number * 4) * scale:.4g}")
                        for index in range(number)
                    ]
                ax.plot(
                    xs,
                    ys,
                    label=one,
                    marker=made.random.choice(["o", "s", "^", "D"]) if kind == "markers" else None,
                    linestyle=made.random.choice(["-", "-", "--", ":"]),
                )
                rows += [(one, str(x), y) for x, y in zip(xs, ys, strict=True)]
            if kind == "log":
                ax.set_yscale("log")
            if kind == "dates":
                from matplotlib.dates import DateFormatter

                ax.xaxis.set_major_formatter(DateFormatter(made.random.choice(["%Y-%m-%d", "%b %Y", "%d.%m.%Y"])))
                fig.autofmt_xdate()
            if len(series) > 1 or made.chance():
                ax.legend()
            if made.chance():
                ax.grid(True, linestyle=made.random.choice(["-", "--", ":"]), alpha=0.6)
        elif kind == "scatter":
            for one in made.series(1, 3):
                points = [(round(made.random.gauss(50, 20), 2), made.value(scale)) for _ in range(made.random.randint(10, 40))]
                ax.scatter(
                    *zip(*points, strict=True), label=one, s=made.random.choice([12, 24, 36]), alpha=made.random.choice([1, 0.7])
                )
                rows += [(one, str(x), y) for x, y in points]
            ax.legend()
        elif kind == "area":
            series = made.series(2, 4)
            xs = list(range(2000, 2000 + made.random.randint(6, 20)))
            data = [[made.value(scale) for _ in xs] for _ in series]
            ax.stackplot(xs, data, labels=series)
            ax.legend(loc="upper left")
            rows = [(one, str(x), y) for one, ys in zip(series, data, strict=True) for x, y in zip(xs, ys, strict=True)]
        elif kind in ("pie", "donut"):
            names = made.names(3, 7)
            values = [made.value(1) for _ in names]
            extra: dict[str, Any] = {"wedgeprops": {"width": 0.4}} if kind == "donut" else {}
            if made.chance():
                ax.pie(values, labels=names, autopct="%.1f%%", startangle=made.random.randint(0, 359), **extra)
            else:
                ax.pie(values, startangle=90, counterclock=False, **extra)
                ax.legend(names, loc="center left", bbox_to_anchor=(1, 0.5))
            rows = [("", x, y) for x, y in zip(names, values, strict=True)]
        else:
            rows = matplotlib_trap(ax, made, kind, scale, plt)
        if kind not in ("pie", "donut", *OWN_LABELS) and made.chance():
            ax.set_title("Some figures of a year")
            (ax.set_xlabel if kind == "barh" else ax.set_ylabel)("value (units)")
            made.traits |= {"title": "Some figures of a year", "y": "value (units)"}
        if made.chance(0.3):
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
        fig = plt.gcf()  # traps of several panels have one of their own
        margin = made.random.choice([0.1, 0.5])  # never less than all labels: what is cut off is no part of a true answer
        if "panels" in made.traits:
            made.traits["panels"] = panel_boxes(fig, margin)
        fig.savefig(out / f"{name}.pdf", bbox_inches="tight", pad_inches=margin)
        plt.close("all")
        save(out, name, rows)


def panel_boxes(fig: Any, margin_in: float) -> list[list[float]]:
    """The panels' boxes as shares of the page, which is the figure's tight box and a margin."""
    fig.canvas.draw()
    page = fig.get_tightbbox().padded(margin_in)
    boxes = [axes.get_tightbbox().transformed(fig.dpi_scale_trans.inverted()) for axes in fig.axes]
    return [
        [
            (b.x0 - page.x0) / page.width,
            (page.y1 - b.y1) / page.height,
            (b.x1 - page.x0) / page.width,
            (page.y1 - b.y0) / page.height,
        ]
        for b in boxes
    ]


def seaborn(out: Path, made: Made, prefix: str, kind: str) -> None:
    import matplotlib.pyplot as plt
    import pandas as pd
    import seaborn as sns

    sns.set_theme(
        style=made.random.choice(["white", "whitegrid", "darkgrid", "ticks"]),
        palette=made.random.choice(["deep", "Set2", "colorblind"]),
    )
    fig, ax = plt.subplots(figsize=(6, 4))
    scale, rows = made.scale(), []
    if kind == "scatter":
        rows = [(one, str(made.value(1)), made.value(scale)) for one in made.series(2, 3) for _ in range(20)]
        frame = pd.DataFrame(rows, columns=["kind", "x", "y"]).astype({"x": float})
        sns.scatterplot(frame, x="x", y="y", hue="kind", ax=ax)
    elif kind == "line":
        rows = [(one, str(x), y) for one in made.series(2, 3) for x, y in zip(range(2001, 2016), made.walk(15, scale), strict=True)]
        frame = pd.DataFrame(rows, columns=["kind", "x", "y"]).astype({"x": int})
        sns.lineplot(frame, x="x", y="y", hue="kind", ax=ax)
    else:
        names = made.names(3, 6)
        rows = [(one, x, made.value(scale)) for one in (made.series(2, 3) if kind == "grouped" else [""]) for x in names]
        frame = pd.DataFrame(rows, columns=["kind", "x", "y"])
        if kind == "barh":
            sns.barplot(frame, y="x", x="y", ax=ax)
        else:
            sns.barplot(frame, x="x", y="y", hue="kind" if kind == "grouped" else None, errorbar=None, ax=ax)
            plt.setp(ax.get_xticklabels(), rotation=30, ha="right")
    if made.chance():
        sns.despine(fig)
    fig.savefig(out / f"{prefix}_{kind}.pdf", bbox_inches="tight")
    plt.close("all")
    save(out, f"{prefix}_{kind}", rows)
