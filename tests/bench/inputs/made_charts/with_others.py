"""Charts by reportlab, pygal, gnuplot and R."""

import subprocess
from pathlib import Path

from tests.bench.inputs.made_charts.made import Made, save


def reportlab(out: Path, made: Made, prefix: str, kind: str) -> None:
    from reportlab.graphics import renderPDF
    from reportlab.graphics.charts.barcharts import HorizontalBarChart, VerticalBarChart, VerticalBarChart3D
    from reportlab.graphics.charts.legends import Legend
    from reportlab.graphics.charts.linecharts import HorizontalLineChart
    from reportlab.graphics.charts.piecharts import Pie
    from reportlab.graphics.shapes import Drawing
    from reportlab.lib import colors

    palette = [colors.steelblue, colors.orange, colors.green, colors.purple]
    drawing = Drawing(420, 260)
    names, series = made.names(3, 6), made.series(*((1, 1) if kind in ("neg", "3d") else (1, 3)))
    scale = made.scale()
    data = [[made.value(scale, -60 if kind == "neg" else 5) for _ in names] for _ in series]
    if kind == "pie":
        pie = Pie()
        pie.x, pie.y, pie.width, pie.height = 80, 40, 180, 180
        pie.data, pie.labels = data[0], names
        for index in range(len(names)):
            pie.slices[index].fillColor = [*palette, colors.red, colors.pink][index]
        drawing.add(pie)
        rows = [("", n, v) for n, v in zip(names, data[0], strict=True)]
    else:
        forms = {"barh": HorizontalBarChart, "line": HorizontalLineChart, "3d": VerticalBarChart3D}
        chart = forms.get(kind, VerticalBarChart)()
        chart.x, chart.y, chart.width, chart.height = 70, 50, 260, 180
        chart.data = data
        chart.categoryAxis.categoryNames = names
        if kind == "stacked":
            chart.categoryAxis.style = "stacked"
        if kind != "neg":
            chart.valueAxis.valueMin = 0
        legend = Legend()
        legend.x, legend.y = 345, 200
        for index, one in enumerate(series):
            if kind == "line":
                chart.lines[index].strokeColor = palette[index]
            else:
                chart.bars[index].fillColor = palette[index]
            del one
        legend.colorNamePairs = list(zip(palette, series, strict=False))
        drawing.add(chart)
        if len(series) > 1:
            drawing.add(legend)
        rows = [
            (one if len(series) > 1 else "", n, v)
            for one, values in zip(series, data, strict=True)
            for n, v in zip(names, values, strict=True)
        ]
    renderPDF.drawToFile(drawing, str(out / f"{prefix}_{kind}.pdf"))
    save(out, f"{prefix}_{kind}", rows)


def pygal(out: Path, made: Made, prefix: str, kind: str) -> None:
    import cairosvg
    import pygal as pg
    from pygal.style import CleanStyle, DefaultStyle, LightStyle

    chart = {"barh": pg.HorizontalBar, "stacked": pg.StackedBar, "line": pg.Line, "pie": pg.Pie}.get(kind, pg.Bar)(
        style=made.random.choice([DefaultStyle, LightStyle, CleanStyle]), legend_at_bottom=made.chance(0.3), width=700, height=480
    )
    names, rows, scale = made.names(3, 6), [], made.scale()
    if kind == "pie":
        for name in names:
            value = made.value(1)
            chart.add(name, value)
            rows.append(("", name, value))
    else:
        chart.x_labels = names
        for one in made.series(1, 3):
            values = [made.value(scale, -60 if kind == "neg" else 5) for _ in names]
            chart.add(one, values)
            rows += [(one, n, v) for n, v in zip(names, values, strict=True)]
    cairosvg.svg2pdf(chart.render(), write_to=str(out / f"{prefix}_{kind}.pdf"))
    save(out, f"{prefix}_{kind}", rows)


def gnuplot(out: Path, made: Made, prefix: str, kind: str) -> None:
    scale = made.scale()
    name = f"{prefix}_{kind}"
    lines = [
        f"set terminal pdfcairo size {made.random.uniform(4, 6):.1f}in,{made.random.uniform(2.8, 4):.1f}in",
        f"set output '{out / name}.pdf'",
    ]
    if made.chance():
        lines.append("set grid")
    if kind == "log":
        lines.append("set logscale y")
    if kind in ("hist", "stacked", "hatched"):
        names, series = made.names(3, 6), made.series(2, 3)
        data = [[made.value(scale) for _ in names] for _ in series]
        table = "\n".join(f'"{n}" ' + " ".join(str(values[index]) for values in data) for index, n in enumerate(names))
        style = "rowstacked" if kind == "stacked" else f"clustered gap {made.random.choice([1, 2])}"
        lines += [
            "set style data histogram",
            f"set style histogram {style}",
            f"set style fill {'pattern 2' if kind == 'hatched' else 'solid 0.8'} border -1",
            "set boxwidth 0.9",
            "set yrange [0:*]",
        ]
        plots = ", ".join(
            f"$data using {index + 2}{':xtic(1)' if index == 0 else ''} title '{one}'" for index, one in enumerate(series)
        )
        rows = [(one, n, v) for one, values in zip(series, data, strict=True) for n, v in zip(names, values, strict=True)]
    else:
        series = made.series(1, 3)
        xs = list(range(1, made.random.randint(10, 25)))
        data = [[abs(v) + 0.01 for v in made.walk(len(xs), scale)] for _ in series]
        table = "\n".join(f"{x} " + " ".join(str(values[index]) for values in data) for index, x in enumerate(xs))
        style = {
            "points": "linespoints",
            "scatter": "points pt 7 ps 0.5",
            "step": "steps",
            "area": "filledcurves x1 fs transparent solid 0.5",
        }.get(kind, "lines")
        plots = ", ".join(f"$data using 1:{index + 2} with {style} title '{one}'" for index, one in enumerate(series))
        rows = [(one, str(x), v) for one, values in zip(series, data, strict=True) for x, v in zip(xs, values, strict=True)]
    script = "\n".join([f"$data << EOD\n{table}\nEOD", *lines, f"plot {plots}"])
    subprocess.run(["gnuplot"], input=script, text=True, check=True, capture_output=True)
    save(out, name, rows)


def r(out: Path, made: Made, prefix: str, kind: str) -> None:
    name, scale = f"{prefix}_{kind}", made.scale()
    names, series = made.names(3, 6), made.series(2, 3)
    device = (
        f"pdf('{out / name}.pdf', width=6, height=4)" if made.chance(0.7) else f"cairo_pdf('{out / name}.pdf', width=6, height=4)"
    )
    if kind in ("ggline", "ggscatter", "ggarea", "rline", "rstep"):
        if kind == "ggscatter":
            rows = [(one, str(made.value(1)), made.value(scale)) for one in series for _ in range(20)]
        else:
            rows = [
                (one, str(x), y)
                for one in series
                for x, y in zip(range(2001, 2016), [abs(v) for v in made.walk(15, scale)], strict=True)
            ]
    elif kind in ("ggbar", "ggbarh", "rbar", "rbarh", "rpie"):
        rows = [("", x, made.value(scale)) for x in names]
    else:
        rows = [(one, x, made.value(scale)) for one in series for x in names]
    save(out, name, rows)
    theme = made.random.choice(["grey", "bw", "minimal", "classic", "light"])
    head = (
        f"d <- read.csv('{out / name}.csv', colClasses=c(series='character'))\n"
        f"if (!is.numeric(d$x)) d$x <- factor(d$x, levels=unique(d$x))\n{device}\n"
    )
    if kind.startswith("gg"):
        body = {
            "ggbar": "ggplot(d, aes(x, y)) + geom_col()",
            "ggbarh": "ggplot(d, aes(y, x)) + geom_col(fill='tomato')",
            "gggrouped": "ggplot(d, aes(x, y, fill=series)) + geom_col(position='dodge')",
            "ggstacked": "ggplot(d, aes(x, y, fill=series)) + geom_col()",
            "ggline": f"ggplot(d, aes(x, y, colour=series)) + geom_line(){' + geom_point()' if made.chance() else ''}",
            "ggscatter": "ggplot(d, aes(x, y, colour=series)) + geom_point()",
            "ggarea": "ggplot(d, aes(x, y, fill=series)) + geom_area()",
        }[kind]
        body = f"library(ggplot2)\nprint({body} + theme_{theme}())"
    elif kind == "rbar":
        body = "barplot(d$y, names.arg=d$x, cex.names=0.6)"
    elif kind == "rbarh":
        body = "barplot(d$y, names.arg=d$x, cex.names=0.6, horiz=TRUE, las=1)"
    elif kind == "rpie":
        body = "pie(d$y, labels=d$x)"
    elif kind == "rpanels":
        made.traits["panels"] = [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]
        body = "par(mfrow=c(1,2))\nfor (s in unique(d$series)[1:2]) with(d[d$series==s,], barplot(y, names.arg=x, main=s, las=2))"
    elif kind in ("rgrouped", "rstacked", "rhatched"):
        fill = "density=c(10,20,30)[1:nrow(m)], angle=c(45,135,0)[1:nrow(m)]"
        fill = fill if kind == "rhatched" else "col=c('navy','orange','grey')[1:nrow(m)]"
        beside = "FALSE" if kind == "rstacked" else "TRUE"
        body = f"m <- xtabs(y ~ series + x, d)\nbarplot(m, beside={beside}, cex.names=0.6, legend.text=TRUE, {fill})"
    else:
        body = (
            "s <- unique(d$series); plot(range(d$x), range(d$y), type='n', xlab='x', ylab='y')\n"
            "for (i in seq_along(s)) lines(d$x[d$series==s[i]], d$y[d$series==s[i]], col=i+1, "
            f"type='{'s' if kind == 'rstep' else 'l'}')\n"
            "legend('topright', legend=s, col=seq_along(s)+1, lty=1)"
        )
    subprocess.run(["Rscript", "-"], input=f"{head}{body}\ninvisible(dev.off())", text=True, check=True, capture_output=True)
