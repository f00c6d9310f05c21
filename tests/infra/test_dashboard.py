"""infra/grafana: panels that do not overlap, over metrics that there are; and a planted mistake is found."""

import json
import re
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import ray

from tests.infra.files import INFRA
from tests.infra.promql import OURS, expression_findings, names

DASHBOARD = json.loads((INFRA / "grafana" / "pagefold.json").read_text("utf-8"))
RAYS = "".join(
    path.read_text("utf-8")
    for path in (Path(ray.__file__).parent / "dashboard" / "modules" / "metrics" / "dashboards").glob("*.py")
)
"""Ray's own panels: the metrics of the version that is installed."""
SUFFIXES = r"_(?:total|bucket|sum|count)$"
"""What Ray's agent adds to a counter's or histogram's name."""


def findings(dashboard: dict[str, Any]) -> list[str]:
    found = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expr = target["expr"]
            found += [f"{panel['title']}: {finding}" for finding in expression_findings(expr)]
            for name in names(expr):
                patterns = rf"\b{name}\b", rf"\b{re.sub(SUFFIXES, '', name)}\b"
                if name.startswith("ray_") and not any(re.search(pattern, RAYS) for pattern in patterns):
                    found.append(f"{panel['title']}: there is no {name}")
            for prefix, variable in (("ray_", "$session"), ("pagefold_", "$instance")):
                if expr.count(f"{prefix}") > expr.count(variable):
                    found.append(f"{panel['title']}: looks at every {variable[1:]}")
        if panel.get("datasource", {}).get("uid") != "${datasource}":
            found.append(f"{panel['title']}: a data source of its own")
    for one, other in combinations(dashboard["panels"], 2):
        if one["id"] == other["id"]:
            found.append(f"{one['title']} and {other['title']} have one id")
        a, b = one["gridPos"], other["gridPos"]
        if a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]:
            found.append(f"{one['title']} and {other['title']} overlap")
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps([panel.get("targets") for panel in dashboard["panels"]])))
    found += [f"${name} is not declared" for name in sorted(used - variables - {"__rate_interval", "__interval"})]
    return found


def test_the_dashboard_is_sound():
    assert findings(DASHBOARD) == []
    shown = {name for panel in DASHBOARD["panels"] for target in panel.get("targets", ()) for name in names(target["expr"])}
    unseen = OURS.keys() - shown
    assert unseen == {"pagefold_run_info", "pagefold_lease_epoch", "pagefold_gpu_seconds_total"}  # for questions, not for a look


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (
            lambda panels: panels[1]["targets"][0].update(expr='sum(ray_node_gpu_utilisation{SessionName=~"$session"})'),
            "there is no",
        ),
        (lambda panels: panels[1]["targets"][0].update(expr="rate(pagefold_sheep_total[5m])"), "there is no pagefold_sheep_total"),
        (lambda panels: panels[1]["targets"][0].update(expr='pagefold_pages_total{instance=~"$instance"}'), "a counter: rate it"),
        (lambda panels: panels[1]["targets"][0].update(expr="sum by (shape) (pagefold_stage_active)"), "no label shape"),
        (lambda panels: panels[1]["targets"][0].update(expr="sum(ray_tasks"), "unclosed left parenthesis"),
        (lambda panels: panels[1]["targets"][0].update(expr="summ(ray_tasks)"), "summ"),
        (lambda panels: panels[1]["targets"][0].update(expr='ray_tasks{SessionName=~"$sessoin"}'), "$sessoin is not declared"),
        (lambda panels: panels[1]["targets"][0].update(expr="sum(ray_tasks)"), "every session"),
        (lambda panels: panels[1]["targets"][0].update(expr="sum(pagefold_lease_held)"), "every instance"),
        (lambda panels: panels[1].update(id=panels[0]["id"]), "one id"),
        (lambda panels: panels[2]["gridPos"].update(panels[1]["gridPos"]), "overlap"),
        (lambda panels: panels[1].update(datasource={"type": "prometheus", "uid": "P1"}), "a data source of its own"),
    ],
)
def test_a_planted_mistake_is_found(change, finding):
    broken = deepcopy(DASHBOARD)
    change(broken["panels"])
    assert any(finding in sentence for sentence in findings(broken)), findings(broken)
