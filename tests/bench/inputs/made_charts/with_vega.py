"""Charts by plotly and altair."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

from tests.bench.inputs.made_charts.made import Made, save


def plotly(out: Path, made: Made, prefix: str, kind: str) -> None:
    import plotly.graph_objects as go

    fig, rows, scale = go.Figure(), [], made.scale()
    if kind in ("bar", "barh", "neg", "grouped", "stacked", "hatched"):
        names, series = made.names(3, 6), made.series(2, 4) if kind in ("grouped", "stacked", "hatched") else [""]
        for index, one in enumerate(series):
            values = [made.value(scale, -60 if kind == "neg" else 5) for _ in names]
            pattern = {"marker_pattern_shape": ("/", ".", "x", "+")[index]} if kind == "hatched" else {}
            if kind == "barh":
                fig.add_bar(y=names, x=values, name=one, orientation="h")
            else:
                fig.add_bar(x=names, y=values, name=one, text=values if made.chance(0.3) else None, **pattern)
            rows += [(one, n, v) for n, v in zip(names, values, strict=True)]
        fig.update_layout(barmode="stack" if kind == "stacked" else "group")
    elif kind in ("line", "dates", "log", "step"):
        number = made.random.randint(8, 25)
        start = dt.date(2019, 3, 1)
        xs: list[Any] = (
            [str(start + dt.timedelta(days=31 * index)) for index in range(number)]
            if kind == "dates"
            else list(range(1990, 1990 + number))
        )
        for one in made.series(1, 3):
            ys = made.walk(number, scale)
            if kind == "log":
                ys = [float(f"{10 ** made.random.uniform(0, 4):.4g}") for _ in xs]
            fig.add_scatter(
                x=xs,
                y=ys,
                name=one,
                mode=made.random.choice(["lines", "lines+markers"]),
                line_shape="hv" if kind == "step" else None,
            )
            rows += [(one, str(x), y) for x, y in zip(xs, ys, strict=True)]
        if kind == "log":
            fig.update_yaxes(type="log", dtick=1)
    elif kind == "scatter":
        for one in made.series(1, 3):
            points = [(made.value(1), made.value(scale)) for _ in range(25)]
            fig.add_scatter(x=[p[0] for p in points], y=[p[1] for p in points], name=one, mode="markers")
            rows += [(one, str(x), y) for x, y in points]
    elif kind == "area":
        xs = list(range(2000, 2014))
        for one in made.series(2, 3):
            ys = [made.value(scale) for _ in xs]
            fig.add_scatter(x=xs, y=ys, name=one, stackgroup="one")
            rows += [(one, str(x), y) for x, y in zip(xs, ys, strict=True)]
    else:
        names = made.names(3, 7)
        values = [made.value(1) for _ in names]
        fig.add_pie(labels=names, values=values, hole=0.4 if kind == "donut" else 0)
        rows = [("", n, v) for n, v in zip(names, values, strict=True)]
    fig.update_layout(
        template=made.random.choice(["plotly", "plotly_white", "simple_white", "ggplot2", "seaborn", "plotly_dark"]),
        width=made.random.randint(560, 760),
        height=made.random.randint(380, 500),
        legend=made.random.choice([{}, {"x": -0.3}, {"orientation": "h", "y": -0.15}]),
    )
    if made.chance():
        fig.update_layout(title="Figures of a year")
        made.traits["title"] = "Figures of a year"
    fig.write_image(out / f"{prefix}_{kind}.pdf")
    save(out, f"{prefix}_{kind}", rows)


def altair(out: Path, made: Made, prefix: str, kind: str) -> None:
    import altair as alt
    import vl_convert as vlc

    scale, rows = made.scale(), []
    if kind in ("line", "area", "step", "log"):
        first = 2001
        walks = [(one, [abs(v) for v in made.walk(14, scale)]) for one in made.series(2, 3)]
        if kind == "log":
            walks = [(one, [float(f"{10 ** made.random.uniform(0, 4):.4g}") for _ in range(14)]) for one, _ in walks]
        rows = [(one, str(x), y) for one, walk in walks for x, y in zip(range(first, first + 14), walk, strict=True)]
    elif kind == "scatter":
        rows = [(one, str(made.value(1)), made.value(scale)) for one in made.series(1, 3) for _ in range(20)]
    elif kind == "dates":
        rows = [
            (one, f"{2015 + index // 4}-{1 + 3 * (index % 4):02d}-01", y)
            for one in made.series(2, 3)
            for index, y in enumerate(made.walk(20, scale))
        ]
    else:
        names = made.names(3, 7)
        rows = [
            (one, x, made.value(scale))
            for one in (made.series(2, 3) if kind in ("grouped", "stacked", "heat", "panels") else [""])
            for x in names
        ]
    data = alt.Data(
        values=[{"s": s, "x": float(x) if kind in ("line", "area", "scatter", "step", "log") else x, "v": v} for s, x, v in rows]
    )
    chart = alt.Chart(data)
    marks = {"line": "line", "dates": "line", "log": "line", "step": "line", "area": "area", "scatter": "circle", "pie": "arc"}
    mark = {**marks, "heat": "rect"}.get(kind, "bar")
    options: dict[str, Any] = {"point": made.chance()} if mark == "line" else {}
    if kind == "step":
        options = {"interpolate": "step-after"}
    elif kind == "round":
        options = {"cornerRadius": 8}
    elif kind == "gradient":
        stops = [{"offset": 0, "color": "white"}, {"offset": 1, "color": "darkgreen"}]
        options = {"color": {"gradient": "linear", "x1": 1, "y1": 1, "x2": 1, "y2": 0, "stops": stops}}
    colour = alt.Color("s:N", legend=alt.Legend(orient=made.random.choice(["right", "left", "bottom", "top"])))
    chart = getattr(chart, f"mark_{mark}")(**options)
    if kind == "pie":
        chart = chart.encode(theta="v:Q", color="x:N")
    elif kind == "barh":
        chart = chart.encode(y="x:N", x="v:Q")
    elif kind in ("bar", "round", "gradient"):
        chart = chart.encode(x=alt.X("x:N", axis=alt.Axis(labelAngle=made.random.choice([0, -45, -90]))), y="v:Q")
    elif kind == "grouped":
        chart = chart.encode(x="x:N", xOffset="s:N", y="v:Q", color=colour)
    elif kind == "stacked":
        chart = chart.encode(x="x:N", y="v:Q", color=colour)
    elif kind == "heat":
        chart = chart.encode(x="x:N", y="s:N", color="v:Q")
    elif kind == "panels":
        chart = chart.encode(x="x:N", y="v:Q", column="s:N")
    else:
        x = alt.X(
            "x:T" if kind == "dates" else "x:Q",
            axis=alt.Axis(format="d") if kind in ("line", "area", "step", "log") else alt.Undefined,
            scale=alt.Scale(zero=False),
        )
        y_scale = alt.Scale(type="log") if kind == "log" else alt.Scale(zero=kind == "area")
        chart = chart.encode(x=x, y=alt.Y("v:Q", scale=y_scale), color=colour)
    chart = chart.properties(width=140 if kind == "panels" else made.random.randint(260, 420), height=made.random.randint(180, 300))
    (out / f"{prefix}_{kind}.pdf").write_bytes(vlc.vegalite_to_pdf(json.dumps(chart.to_dict())))
    save(out, f"{prefix}_{kind}", rows)
