"""PromQL, parsed as Prometheus does: which metrics an expression asks for, and what is wrong with it."""

import re
from collections.abc import Iterator

import promql_parser as promql

from pipeline.reporting.metrics import Metrics

OURS = {name: set(labels) for name, labels, _ in Metrics().described}
SCRAPED = {"instance", "job"}
"""Labels that every scrape adds."""
_OF_COUNTERS = {"rate", "increase", "irate"}


def expression_findings(expr: str) -> list[str]:
    """Of one expression; Grafana's variables stand for a value each."""
    plain = re.sub(r"\[\$__\w+\]", "[5m]", expr)
    try:
        tree = promql.parse(plain)
    except ValueError as error:
        return [str(error)]
    return list(_findings(tree, function=None, labels=set()))


def names(expr: str) -> set[str]:
    return set(re.findall(r"\b(?:ray|pagefold)_\w+", expr))


def _findings(node: promql.Expr, function: str | None, labels: set[str]) -> Iterator[str]:
    if isinstance(node, promql.VectorSelector):
        name = node.name or ""
        if not name.startswith("pagefold_"):
            return
        if name not in OURS:
            yield f"there is no {name}"
            return
        used = {matcher.name for matcher in node.matchers.matchers} | labels
        yield from (f"{name} has no label {label}" for label in sorted(used - OURS[name] - SCRAPED))
        if name.endswith("_total") != (function in _OF_COUNTERS):
            yield f"{name} is {'a counter: rate it' if name.endswith('_total') else 'no counter'}"
    elif isinstance(node, promql.MatrixSelector):
        yield from _findings(node.vector_selector, function, labels)
    elif isinstance(node, promql.Call):
        for argument in node.args:
            yield from _findings(argument, node.func.name, labels)
    elif isinstance(node, promql.AggregateExpr):
        by = node.modifier
        grouped = set(by.labels) if by is not None and "By" in str(by.type) else set()
        yield from _findings(node.expr, function, labels | grouped)
    elif isinstance(node, promql.BinaryExpr):
        yield from _findings(node.lhs, function, labels)
        yield from _findings(node.rhs, function, labels)
    elif isinstance(node, promql.ParenExpr | promql.UnaryExpr):
        yield from _findings(node.expr, function, labels)
