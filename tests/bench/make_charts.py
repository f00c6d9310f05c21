"""Charts as vector PDFs with their data, by several plotting libraries, from a seed: `python make_charts.py OUT --seed 7`.

A script of its own: run it in an environment with matplotlib, reportlab, altair with vl-convert-python, plotly 5 with kaleido
0.2.1, and pygal with cairosvg, where gnuplot and R are programs; what is not there is left out, and said. OUT gets NAME.pdf,
NAME.csv (`series,x,y`) and meta.json, as `../shared/charts` has them. `panels` in meta.json: boxes of panels, shares of the page.
"""

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

GROUPS = [
    ("North", "South", "East", "West", "Centre"),
    ("Laptops", "Phones", "Tablets", "Monitors", "Cables", "Printers"),
    ("Oak", "Birch", "Cedar", "Elm"),
    ("Very often", "Often", "Sometimes", "Hardly ever", "Never"),
    ("2017", "2018", "2019", "2020", "2021", "2022", "2023"),
]
SERIES = [("Gas", "Hydro", "Wind"), ("Plan", "Actual"), ("Lisbon", "Oslo", "Turin", "Graz"), ("men", "women")]
TITLES = ["Units sold by product", "Survey of members", "Output per region, in GWh", "Rainfall and river level", None]
Y_LABELS = ["Units", "GWh", "Revenue (k$)", "Share", "level"]
Rows = list[tuple[str, str, float]]


class Chart:
    """What is plotted: kind, labels and numbers, the same for every library."""

    def __init__(self, kind: str, dice: random.Random, num_series: int | None = None) -> None:
        self.kind = kind
        self.title = dice.choice(TITLES)
        self.y_label = dice.choice(Y_LABELS)
        self.x = list(dice.choice(GROUPS))
        names = dice.choice(SERIES)
        count = num_series if num_series is not None else len(names)
        self.series = list(names[:count]) if count > 1 else [""]
        top = dice.choice((12.0, 60.0, 95.0, 480.0, 7400.0))
        digits = 2 if top < 20 else 1 if top < 200 else 0
        low = -0.4 * top if kind == "neg" else 0.08 * top
        self.values = {name: [round(dice.uniform(low, top), digits) for _ in self.x] for name in self.series}
        if kind in ("line", "step", "area", "log"):
            num = dice.randint(9, 24)
            self.x = [str(2000 + index) for index in range(num)]
            for name in self.series:
                value, walk = top / 2, []
                for _ in range(num):
                    value = min(max(value + dice.uniform(-0.14, 0.15) * top, 0.04 * top), top)
                    walk.append(round(10 ** (4 * value / top) if kind == "log" else value, 4))
                self.values[name] = walk

    @property
    def rows(self) -> Rows:
        return [(name, x, value) for name in self.series for x, value in zip(self.x, self.values[name], strict=True)]

    @property
    def traits(self) -> dict[str, Any]:
        form = {
            "grouped": "bar_grouped",
            "stacked": "bar_stacked",
            "neg": "bar",
            "log": "line",
            "round": "bar",
            "gradient": "bar",
            "hatched": "bar_grouped",
            "donut": "pie",
            "3d": "bar",
        }.get(self.kind, self.kind)
        traits = {"type": form, "title": self.title, "y": None if form == "pie" else self.y_label}
        return {name: value for name, value in traits.items() if value} | ({"logy": 1} if self.kind == "log" else {})


class Out:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta: dict[str, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, producer: str, traits: dict[str, Any], rows: Rows) -> None:
        self.meta[name] = {"producer": producer, **traits}
        with (self.folder / f"{name}.csv").open("w", newline="") as lines:
            writer = csv.writer(lines)
            writer.writerows([("series", "x", "y"), *rows])


def matplotlib_charts(out: Out, dice: random.Random) -> None:
    import matplotlib as mpl

    mpl.use("pdf")
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyBboxPatch

    def save(name: str, figure: Any, traits: dict[str, Any], rows: Rows, panels: list[Any] | None = None) -> None:
        if panels:
            figure.canvas.draw()
            width, height = figure.get_size_inches() * figure.dpi
            boxes = [axes.get_tightbbox() for axes in panels]
            traits = traits | {"panels": [[b.x0 / width, 1 - b.y1 / height, b.x1 / width, 1 - b.y0 / height] for b in boxes]}
        figure.savefig(out.folder / f"{name}.pdf")
        plt.close(figure)
        out.add(name, "matplotlib", traits, rows)

    def drawn(chart: Chart, axes: Any) -> None:
        axes.set_ylabel(chart.y_label)
        if chart.title:
            axes.set_title(chart.title)
        places = list(range(len(chart.x)))
        width = 0.8 / len(chart.series)
        base = [0.0] * len(places)
        for index, name in enumerate(chart.series):
            values = chart.values[name]
            if chart.kind in ("bar", "neg", "grouped", "hatched"):
                shift = (index - (len(chart.series) - 1) / 2) * width
                hatch = ("//", "..", "xx", "\\\\")[index] if chart.kind == "hatched" else None
                fill = "white" if hatch else None
                axes.bar(
                    [place + shift for place in places],
                    values,
                    width,
                    label=name or None,
                    hatch=hatch,
                    color=fill,
                    edgecolor="black" if hatch else None,
                )
            elif chart.kind == "stacked":
                axes.bar(places, values, 0.7, bottom=base, label=name or None)
                base = [one + other for one, other in zip(base, values, strict=True)]
            elif chart.kind == "barh":
                axes.barh(chart.x, values, 0.7)
                axes.set_ylabel("")
                axes.set_xlabel(chart.y_label)
            elif chart.kind == "round":
                for place, value in zip(places, values, strict=True):
                    bar = FancyBboxPatch(
                        (place - 0.3, 0),
                        0.6,
                        value,
                        boxstyle="round,pad=0,rounding_size=0.15",
                        fc="C2",
                        mutation_aspect=max(values) / 5,
                    )
                    axes.add_patch(bar)
                axes.set_xlim(-0.6, len(places) - 0.4)
                axes.set_ylim(0, 1.15 * max(values))
            elif chart.kind == "step":
                axes.step([int(x) for x in chart.x], values, where="post", label=name or None)
            elif chart.kind in ("line", "log"):
                axes.plot([int(x) for x in chart.x], values, label=name or None, marker=dice.choice((None, "o", "s")))
            elif chart.kind == "area":
                axes.fill_between([int(x) for x in chart.x], values, alpha=0.6, label=name or None)
        if chart.kind in ("bar", "neg", "grouped", "stacked", "hatched", "round"):
            axes.set_xticks(places, chart.x, rotation=dice.choice((0, 0, 35, 90)))
        if chart.kind == "log":
            axes.set_yscale("log")

    kinds = ("bar", "neg", "grouped", "stacked", "hatched", "barh", "round", "step", "line", "log", "area")
    for number, kind in enumerate(kinds):
        with plt.style.context(dice.choice(("default", "ggplot", "seaborn-v0_8-whitegrid", "classic", "bmh"))):
            chart = Chart(kind, dice, 1 if kind in ("bar", "neg", "barh", "round") else None)
            figure, axes = plt.subplots(figsize=(dice.uniform(4.5, 7), dice.uniform(3, 4.5)), layout="constrained")
            drawn(chart, axes)
            if len(chart.series) > 1:
                where: dict[str, Any] = dice.choice(
                    (
                        {"loc": "best"},
                        {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)},
                        {"loc": "center right", "bbox_to_anchor": (-0.2, 0.5)},
                        {"loc": "upper center", "bbox_to_anchor": (0.5, -0.25), "ncols": 4},
                    )
                )
                axes.legend(**where)
            save(f"mpl{number}_{kind}", figure, chart.traits, chart.rows)
    for number, (down, across) in enumerate(((1, 2), (2, 2), (2, 1))):
        figure, grid = plt.subplots(down, across, figsize=(3.1 * across, 2.6 * down), layout="constrained")
        rows: Rows = []
        for axes in grid.flat:
            chart = Chart(dice.choice(("bar", "line", "grouped", "step")), dice)
            drawn(chart, axes)
            rows += chart.rows
        save(f"mpl_panels{number}", figure, {"type": "panels"}, rows, list(grid.flat))
    figure, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
    numbers = [[round(dice.uniform(0, 1), 2) for _ in range(6)] for _ in range(5)]
    image = axes.pcolormesh(numbers, cmap=dice.choice(("viridis", "Blues", "RdBu")), edgecolors="white")
    for row, line in enumerate(numbers):
        for column, value in enumerate(line):
            axes.text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=8)
    figure.colorbar(image, label="correlation")
    save(
        "mpl_heatmap", figure, {"type": "heat"}, [(str(r), str(c), v) for r, line in enumerate(numbers) for c, v in enumerate(line)]
    )
    chart = Chart("bar", dice, 1)
    figure, (top, low) = plt.subplots(2, 1, sharex=True, figsize=(5, 4), height_ratios=(1, 2))
    tall = [*chart.values[""][:-1], 8 * max(chart.values[""])]
    for axes in (top, low):
        axes.bar(chart.x, tall)
    low.set_ylim(0, 1.2 * sorted(tall)[-2])
    top.set_ylim(0.9 * tall[-1], 1.05 * tall[-1])
    figure.suptitle("Broken axis")
    save("mpl_broken", figure, {"type": "broken"}, chart.rows)
    figure, axes = plt.subplots(figsize=(5, 3))
    for place, (name, value) in enumerate(zip(chart.x, chart.values[""], strict=True)):
        num_icons = max(1, round(10 * value / max(chart.values[""])))
        axes.scatter(range(num_icons), [place] * num_icons, marker="p", s=90, color="C1")
        axes.text(-1, place, name, ha="right", va="center")
        axes.text(num_icons + 0.2, place, f"{value:g}", va="center")
    axes.set_axis_off()
    save("mpl_pictogram", figure, {"type": "pictogram"}, chart.rows)
    points = [(round(dice.gauss(5, 2), 2), round(dice.gauss(20, 6), 2)) for _ in range(60)]
    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    image = axes.scatter([x for x, _ in points], [y for _, y in points], c=[x + y for x, y in points], s=18)
    figure.colorbar(image, label="sum")
    axes.set_xlabel("dose")
    save("mpl_scatter", figure, {"type": "scatter", "x": "dose"}, [("", str(x), y) for x, y in points])


def reportlab_charts(out: Out, dice: random.Random) -> None:
    from reportlab.graphics import renderPDF
    from reportlab.graphics.charts.barcharts import HorizontalBarChart, VerticalBarChart, VerticalBarChart3D
    from reportlab.graphics.charts.legends import Legend
    from reportlab.graphics.charts.linecharts import HorizontalLineChart
    from reportlab.graphics.charts.piecharts import Pie
    from reportlab.graphics.shapes import Drawing, String
    from reportlab.lib import colors

    palette = [colors.steelblue, colors.orange, colors.seagreen, colors.firebrick, colors.purple, colors.gold]
    forms = {
        "bar": VerticalBarChart,
        "grouped": VerticalBarChart,
        "stacked": VerticalBarChart,
        "barh": HorizontalBarChart,
        "line": HorizontalLineChart,
        "3d": VerticalBarChart3D,
        "pie": Pie,
        "neg": VerticalBarChart,
    }
    for number, kind in enumerate(forms):
        chart = Chart(kind, dice, 1 if kind in ("bar", "barh", "pie", "neg", "3d") else None)
        width, height = dice.randint(360, 480), dice.randint(220, 300)
        sheet = Drawing(width, height)
        plot = forms[kind]()
        plot.x, plot.y, plot.width, plot.height = 60, 45, width - 170, height - 95
        colours = dice.sample(palette, len(palette))
        if kind == "pie":
            plot.data, plot.labels = chart.values[""], chart.x
            plot.width = plot.height
            plot.sideLabels = dice.choice((0, 1))
            for index in range(len(chart.x)):
                plot.slices[index].fillColor = colours[index % 6]
        else:
            plot.data = [tuple(chart.values[name]) for name in chart.series]
            plot.categoryAxis.categoryNames = (
                chart.x if kind != "line" else [x if i % 4 == 0 else "" for i, x in enumerate(chart.x)]
            )
            for index in range(len(chart.series)):
                if kind == "line":
                    plot.lines[index].strokeColor = colours[index]
                else:
                    plot.bars[index].fillColor = colours[index]
            if kind == "stacked":
                plot.categoryAxis.style = "stacked"
        sheet.add(plot)
        if chart.title:
            sheet.add(String(width / 2, height - 22, chart.title, textAnchor="middle", fontSize=12))
        if len(chart.series) > 1:
            legend = Legend()
            legend.x, legend.y = width - 90, height - 60
            legend.colorNamePairs = list(zip(colours, chart.series, strict=False))
            legend.columnMaximum = 5
            sheet.add(legend)
        name = f"rl{number}_{kind}"
        renderPDF.drawToFile(sheet, str(out.folder / f"{name}.pdf"))
        traits = chart.traits
        traits.pop("y", None)
        rows = chart.rows
        out.add(name, "reportlab", traits, rows)


def altair_charts(out: Out, dice: random.Random) -> None:
    import vl_convert

    def save(name: str, spec: dict[str, Any], chart: Chart, traits: dict[str, Any]) -> None:
        (out.folder / f"{name}.pdf").write_bytes(vl_convert.vegalite_to_pdf(spec))
        out.add(name, "altair", traits, chart.rows)

    for number, kind in enumerate(
        ("bar", "barh", "stacked", "round", "gradient", "step", "line", "pie", "log", "heat", "area", "panels")
    ):
        chart = Chart(
            "bar" if kind in ("heat", "panels") else kind, dice, 1 if kind in ("bar", "barh", "round", "gradient", "pie") else 3
        )
        if len(chart.series) == 1 and kind in ("stacked", "heat", "panels"):
            chart = Chart("grouped", dice, 2)
        data = [
            {"s": name, "x": int(x) if kind in ("step", "line", "area", "log") else x, "v": value} for name, x, value in chart.rows
        ]
        x: dict[str, Any] = {
            "field": "x",
            "type": "quantitative" if kind in ("step", "line", "area", "log") else "nominal",
            "title": None,
            "scale": {"zero": False},
            "axis": {"format": "d"},
        }
        if x["type"] == "nominal":
            x = {"field": "x", "type": "nominal", "title": None, "sort": None}
        y: dict[str, Any] = {"field": "v", "type": "quantitative", "title": chart.y_label}
        spec: dict[str, Any] = {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "data": {"values": data},
            "width": dice.randint(200, 380),
            "height": dice.randint(160, 280),
        }
        if chart.title:
            spec["title"] = chart.title
        colour = {
            "field": "s",
            "type": "nominal",
            "title": None,
            "legend": {"orient": dice.choice(("right", "left", "bottom", "top"))},
        }
        encoding: dict[str, Any] = {"x": x, "y": y}
        if len(chart.series) > 1:
            encoding["color"] = colour
        mark: Any = {
            "barh": "bar",
            "stacked": "bar",
            "log": {"type": "line", "point": True},
            "area": "area",
            "line": "line",
            "step": {"type": "line", "interpolate": "step-after"},
            "panels": "bar",
            "heat": "rect",
            "round": {"type": "bar", "cornerRadius": 8},
            "pie": {"type": "arc", "innerRadius": dice.choice((0, 40))},
            "gradient": {
                "type": "bar",
                "color": {
                    "gradient": "linear",
                    "x1": 1,
                    "y1": 1,
                    "x2": 1,
                    "y2": 0,
                    "stops": [{"offset": 0, "color": "white"}, {"offset": 1, "color": "darkgreen"}],
                },
            },
        }.get(kind, "bar")
        if kind == "barh":
            encoding = {"x": y, "y": x}
        elif kind == "pie":
            encoding = {"theta": y, "color": {"field": "x", "type": "nominal", "title": None}}
        elif kind == "log":
            y["scale"] = {"type": "log"}
        elif kind == "area":
            y["stack"] = True
        elif kind == "heat":
            encoding = {"x": x, "y": {"field": "s", "type": "nominal"}, "color": y}
        elif kind == "panels":
            encoding = {"x": x, "y": y, "column": {"field": "s", "type": "nominal"}}
            spec["width"] = 140
        traits = chart.traits if kind not in ("heat", "panels") else {"type": kind}
        save(f"alt{number}_{kind}", spec | {"mark": mark, "encoding": encoding}, chart, traits)


def plotly_charts(out: Out, dice: random.Random) -> None:
    import plotly.graph_objects as go

    for number, kind in enumerate(
        ("bar", "grouped", "stacked", "barh", "hatched", "line", "step", "area", "pie", "donut", "neg", "log")
    ):
        chart = Chart(kind, dice, 1 if kind in ("bar", "barh", "pie", "donut", "neg") else None)
        figure = go.Figure()
        for index, name in enumerate(chart.series):
            values = chart.values[name]
            if kind in ("pie", "donut"):
                figure.add_pie(labels=chart.x, values=values, hole=0.5 if kind == "donut" else 0)
            elif kind == "barh":
                figure.add_bar(y=chart.x, x=values, orientation="h")
            elif kind in ("line", "log", "step", "area"):
                figure.add_scatter(
                    x=[int(x) for x in chart.x],
                    y=values,
                    name=name,
                    mode=dice.choice(("lines", "lines+markers")),
                    line_shape="hv" if kind == "step" else "linear",
                    stackgroup="a" if kind == "area" else None,
                )
            else:
                pattern = {"marker_pattern_shape": ("/", ".", "x", "+")[index]} if kind == "hatched" else {}
                figure.add_bar(x=chart.x, y=values, name=name, **pattern)
        figure.update_layout(
            title=chart.title,
            yaxis_title=None if kind == "barh" else chart.y_label,
            barmode="stack" if kind == "stacked" else "group",
            template=dice.choice(("plotly", "plotly_white", "simple_white", "ggplot2")),
            width=dice.randint(560, 760),
            height=dice.randint(380, 500),
            yaxis_type="log" if kind == "log" else None,
            legend=dice.choice(({}, {"x": -0.3}, {"orientation": "h", "y": -0.15})),
        )
        name = f"plo{number}_{kind}"
        figure.write_image(str(out.folder / f"{name}.pdf"))
        traits = chart.traits
        if kind in ("barh", "pie", "donut"):
            traits.pop("y", None)
        out.add(name, "plotly", traits, chart.rows)


def pygal_charts(out: Out, dice: random.Random) -> None:
    import cairosvg
    import pygal

    forms = {
        "bar": pygal.Bar,
        "grouped": pygal.Bar,
        "stacked": pygal.StackedBar,
        "barh": pygal.HorizontalBar,
        "line": pygal.Line,
        "pie": pygal.Pie,
        "neg": pygal.Bar,
    }
    for number, (kind, form) in enumerate(forms.items()):
        chart = Chart(kind, dice, 1 if kind in ("bar", "barh", "pie", "neg") else None)
        config = {"width": dice.randint(560, 760), "height": dice.randint(360, 480), "title": chart.title, "explicit_size": True}
        plot = form(
            **config, legend_at_bottom=dice.choice((True, False)), style=pygal.style.DefaultStyle(font_family="DejaVu Sans")
        )
        if kind == "pie":
            for name, value in zip(chart.x, chart.values[""], strict=True):
                plot.add(name, value)
        else:
            plot.x_labels = chart.x
            for name in chart.series:
                plot.add(name or "all", chart.values[name])
        name = f"pyg{number}_{kind}"
        cairosvg.svg2pdf(bytestring=plot.render(), write_to=str(out.folder / f"{name}.pdf"))
        traits = chart.traits
        traits.pop("y", None)
        out.add(name, "pygal", traits, chart.rows)


def gnuplot_charts(out: Out, dice: random.Random) -> None:
    if not shutil.which("gnuplot"):
        raise ImportError("no gnuplot")
    for number, kind in enumerate(("bar", "grouped", "stacked", "hatched", "line", "step", "log", "area")):
        chart = Chart(kind, dice, 1 if kind == "bar" else None)
        name = f"gp{number}_{kind}"
        is_bar = kind in ("bar", "grouped", "stacked", "hatched")
        table = "\n".join(
            " ".join([f'"{x}"' if is_bar else x, *(f"{chart.values[each][i]:.6g}" for each in chart.series)])
            for i, x in enumerate(chart.x)
        )
        lines = [
            f"set terminal pdfcairo size {dice.uniform(4, 6):.1f},{dice.uniform(2.8, 4):.1f}",
            f'set output "{out.folder / name}.pdf"',
            f"$data << EOD\n{table}\nEOD",
            f'set ylabel "{chart.y_label}"',
        ]
        if chart.title:
            lines.append(f'set title "{chart.title}"')
        if dice.random() < 0.5:
            lines.append("set key outside")
        if len(chart.series) == 1:
            lines.append("unset key")
        if is_bar:
            fill = "pattern 2" if kind == "hatched" else "solid 0.8"
            lines += [f"set style fill {fill} border -1", "set yrange [0:*]", "set style data histograms", "set boxwidth 0.8"]
            lines += ["set style histogram rowstacked" if kind == "stacked" else "set style histogram clustered gap 1"]
            parts = [f'$data using {i + 2}:xtic(1) title "{each}"' for i, each in enumerate(chart.series)]
        else:
            lines += ["set logscale y"] if kind == "log" else []
            way = {"step": "steps", "area": "filledcurves x1 fs transparent solid 0.5"}.get(kind, "linespoints")
            parts = [f'$data using 1:{i + 2} with {way} title "{each}"' for i, each in enumerate(chart.series)]
        lines.append("plot " + ", ".join(parts))
        subprocess.run(["gnuplot"], input="\n".join(lines), text=True, check=True)
        out.add(name, "gnuplot", chart.traits, chart.rows)


def r_charts(out: Out, dice: random.Random) -> None:
    if not shutil.which("Rscript"):
        raise ImportError("no R")
    for number, kind in enumerate(("bar", "grouped", "stacked", "barh", "hatched", "line", "step", "pie", "panels")):
        chart = Chart(kind if kind != "panels" else "grouped", dice, 1 if kind in ("bar", "barh", "pie") else None)
        name = f"r{number}_{kind}"
        vectors = ",".join("c(" + ",".join(map(str, chart.values[each])) + ")" for each in chart.series)
        labels = ",".join(f'"{x}"' for x in chart.x)
        names = ",".join(f'"{each}"' for each in chart.series)
        main = f', main="{chart.title}"' if chart.title else ""
        legend = f', legend.text=c({names}), args.legend=list(x="topright", bty="n")' if len(chart.series) > 1 else ""
        code = f'pdf("{out.folder / name}.pdf", width={dice.uniform(4.5, 6.5):.1f}, height={dice.uniform(3.5, 5):.1f})\n'
        code += f"m <- rbind({vectors}); colnames(m) <- c({labels})\n"
        ylab = f', ylab="{chart.y_label}"'
        if kind in ("bar", "grouped", "stacked", "hatched", "barh"):
            fill = ", density=c(10,20,30,40)[1:nrow(m)], angle=c(45,135,0,90)[1:nrow(m)]" if kind == "hatched" else ""
            beside = "FALSE" if kind == "stacked" else "TRUE"
            axis = ', horiz=TRUE, las=1, xlab="' + chart.y_label + '"' if kind == "barh" else ylab
            code += f"barplot(m, beside={beside}{fill}{main}{axis}{legend})\n"
        elif kind in ("line", "step"):
            way = "s" if kind == "step" else "l"
            code += f'matplot(as.numeric(colnames(m)), t(m), type="{way}", lty=1, xlab="year"{ylab}{main})\n'
            code += f'legend("topleft", c({names}), col=1:nrow(m), lty=1)\n'
        elif kind == "pie":
            code += f"pie(m[1,], labels=colnames(m){main})\n"
        else:
            code += "par(mfrow=c(1,2))\nfor (i in 1:2) barplot(m[i,], main=rownames(m)[i], las=2)\n"
        subprocess.run(["Rscript", "-"], input=code + "invisible(dev.off())\n", text=True, check=True)
        traits = chart.traits if kind != "panels" else {"type": "panels", "panels": [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]}
        if kind in ("pie",):
            traits.pop("y", None)
        out.add(name, "R-base", traits, chart.rows)


MAKERS: dict[str, Callable[[Out, random.Random], None]] = {
    "matplotlib": matplotlib_charts,
    "reportlab": reportlab_charts,
    "altair": altair_charts,
    "plotly": plotly_charts,
    "pygal": pygal_charts,
    "gnuplot": gnuplot_charts,
    "R": r_charts,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=sorted(MAKERS), help="these libraries alone")
    arguments = parser.parse_args()
    out = Out(arguments.out)
    for name, make in MAKERS.items():
        if arguments.only and name not in arguments.only:
            continue
        try:
            make(out, random.Random(f"{name} {arguments.seed}"))
        except ImportError as error:
            print(f"{name}: left out ({error})", file=sys.stderr)
    (arguments.out / "meta.json").write_text(json.dumps(out.meta, indent=1))
    print(f"{len(out.meta)} charts in {arguments.out}")


if __name__ == "__main__":
    main()
