"""Charts that are easily read wrong."""

from typing import Any

from tests.bench.made_charts.made import Made, Rows

MPL_TRAPS = [
    "errors", "lineerrors", "box", "waterfall", "hatch", "dual", "duallines", "step", "ribbon", "broken", "combo",
    "overlay", "nolegend", "samecolour", "bubble", "fitline", "hist", "threshold", "panels", "truncated", "cutoff",
    "symlog", "stem", "range", "otherlabels", "inverted", "translucent",
]  # fmt: skip

TRAP_FORMS: dict[str, dict[str, Any]] = {
    "errors": {"type": "bar"}, "lineerrors": {"type": "line"}, "hatch": {"type": "bar_grouped"},
    "dual": {"type": "dual", "unnamed": 1}, "duallines": {"type": "dual", "unnamed": 1},
    "step": {"type": "line"},
    "ribbon": {"type": "line"}, "combo": {"type": "dual"}, "overlay": {"type": "bar_grouped"}, "samecolour": {"type": "line"},
    "bubble": {"type": "scatter"}, "fitline": {"type": "scatter"}, "threshold": {"type": "bar"}, "truncated": {"type": "bar"},
    "otherlabels": {"type": "bar"}, "inverted": {"type": "line"}, "translucent": {"type": "area"},
}  # fmt: skip
"""Of the traps whose data can be answered as rows."""


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
    return plain
