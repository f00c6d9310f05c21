"""infra/grafana: panels that do not overlap, over metrics that there are; and a planted mistake is found."""

import json
import re
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import ray

from tests.infra.files import INFRA, ROOT

DASHBOARD = json.loads((INFRA / "grafana" / "pagefold.json").read_text("utf-8"))
RAYS = "".join(
    path.read_text("utf-8")
    for path in (Path(ray.__file__).parent / "dashboard" / "modules" / "metrics" / "dashboards").glob("*.py")
)
"""Ray's own panels: the metrics of the version that is installed."""
OURS = "".join(path.read_text("utf-8") for package in ("pipeline", "workers") for path in (ROOT / package).rglob("*.py"))
SUFFIXES = r"_(?:total|bucket|sum|count|created|info)$"
"""What Prometheus' client adds to a counter's or histogram's name."""


def findings(dashboard: dict[str, Any]) -> list[str]:
    found = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            for name in re.findall(r"\b(?:ray|pagefold)_\w+", target["expr"]):
                known = rf"\b{name}\b", rf"\b{re.sub(SUFFIXES, '', name)}\b"
                text = RAYS if name.startswith("ray_") else OURS
                found += [] if any(re.search(pattern, text) for pattern in known) else [f"{panel['title']}: there is no {name}"]
            if "$session" not in target["expr"] and "ray_" in target["expr"]:
                found.append(f"{panel['title']}: looks at every Ray session")
            pairs = [target["expr"].count(sign) for sign in "(){}"]
            if pairs[0] != pairs[1] or pairs[2] != pairs[3]:
                found.append(f"{panel['title']}: brackets")
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
    assert len(DASHBOARD["panels"]) >= 6


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (
            lambda panels: panels[0]["targets"][0].update(expr='sum(ray_node_gpu_utilisation{SessionName=~"$session"})'),
            "there is no",
        ),
        (lambda panels: panels[0]["targets"][0].update(expr="rate(pagefold_sheep_total[5m])"), "there is no pagefold_sheep_total"),
        (lambda panels: panels[0]["targets"][0].update(expr="sum(ray_tasks"), "brackets"),
        (lambda panels: panels[0]["targets"][0].update(expr='ray_tasks{SessionName=~"$sessoin"}'), "$sessoin is not declared"),
        (lambda panels: panels[0]["targets"][0].update(expr="sum(ray_tasks)"), "every Ray session"),
        (lambda panels: panels[1].update(id=panels[0]["id"]), "one id"),
        (lambda panels: panels[1]["gridPos"].update(panels[0]["gridPos"]), "overlap"),
        (lambda panels: panels[0].update(datasource={"type": "prometheus", "uid": "P1"}), "a data source of its own"),
    ],
)
def test_a_planted_mistake_is_found(change, finding):
    broken = deepcopy(DASHBOARD)
    change(broken["panels"])
    assert any(finding in sentence for sentence in findings(broken)), findings(broken)
