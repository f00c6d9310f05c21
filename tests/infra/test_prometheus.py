"""infra/prometheus: alerts over metrics that there are, each in the runbook of infra/README.md; and a planted mistake is found.

Parsed by promql-parser in CI; promtool, where there is one, checks the file as Prometheus would, and that the alerts fire.
"""

import re
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from tests.infra.files import INFRA, Object, compose
from tests.infra.promql import expression_findings

ALERTS = yaml.safe_load((INFRA / "prometheus" / "alerts.yaml").read_text("utf-8"))
RUNBOOK = (INFRA / "README.md").read_text("utf-8")
RULES = ALERTS["groups"][0]["rules"]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool on this machine")


def findings(alerts: Object) -> list[str]:
    found = []
    for rule in alerts["groups"][0]["rules"]:
        name = rule["alert"]
        found += [f"{name}: {finding}" for finding in expression_findings(rule["expr"])]
        if not {"alert", "expr", "labels", "annotations"} <= rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}:
            found.append(f"{name}: its keys are {', '.join(rule)}")
        if rule.get("labels", {}).get("severity") not in ("page", "warn"):
            found.append(f"{name}: no severity")
        if not re.fullmatch(r"\d+[smh]", rule.get("for", "1m")):
            found.append(f"{name}: for {rule['for']}")
        if f"`{name}`" not in RUNBOOK:
            found.append(f"{name}: not in the runbook")
    return found


def test_the_alerts_are_sound() -> None:
    assert findings(ALERTS) == []
    assert len({rule["alert"] for rule in RULES}) == len(RULES) == 9


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"expr": "pagefold_lease_agee_seconds > 30"}, "there is no pagefold_lease_agee_seconds"),
        ({"expr": "pagefold_failures_total > 3"}, "a counter: rate it"),
        ({"expr": 'increase(pagefold_runs_total{state="failed"}[1h]) > 1'}, "no label state"),
        ({"expr": "sum(pagefold_lease_held"}, "unclosed left parenthesis"),
        ({"for": "10 minutes"}, "for 10 minutes"),
        ({"labels": {}}, "no severity"),
        ({"sumary": "x"}, "its keys are"),
        ({"alert": "PagefoldUnheardOf"}, "not in the runbook"),
    ],
)
def test_a_planted_mistake_is_found(change: Object, finding: str) -> None:
    broken = deepcopy(ALERTS)
    broken["groups"][0]["rules"][0].update(change)
    assert any(finding in sentence for sentence in findings(broken)), findings(broken)


def test_prometheus_scrapes_the_ports_that_compose_s_services_serve() -> None:
    config = yaml.safe_load((INFRA / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    services = compose()["services"]
    assert "metrics.port=9464" in services["run"]["command"]
    assert targets["pagefold"] == ["ray-head:9464"]  # the run's driver is a job on the head
    for target in targets["ray"]:
        service, port = target.split(":")
        assert f"--metrics-export-port={port}" in services[service]["command"]


@needs_promtool
def test_promtool_takes_the_alerts() -> None:
    command = [str(PROMTOOL), "check", "rules", str(INFRA / "prometheus" / "alerts.yaml")]
    assert subprocess.run(command, timeout=240, capture_output=True).returncode == 0


SCENARIOS = {
    "a run that stands still, pages that fail, readers that die, a GPU that waits; beside them a run that is well": (
        {
            'pagefold_lease_held{instance="a"}': "1+0x120",
            'pagefold_last_progress_timestamp_seconds{instance="a"}': "0+0x120",
            'pagefold_lease_held{instance="b"}': "1+0x120",
            'pagefold_last_progress_timestamp_seconds{instance="b"}': "0+60x120",
            'pagefold_last_run_timestamp_seconds{instance="b", status="finished"}': "0+0x120",
            'pagefold_lease_age_seconds{instance="b"}': "10+0x120",
            'pagefold_pages_total{outcome="ok"}': "0+90x120",
            'pagefold_pages_total{outcome="failed"}': "0+10x120",
            'pagefold_failures_total{kind="crashed_worker"}': "0+1x120",
            "pagefold_engine_busy_seconds_total": "0+10x120",
            "pagefold_reader_seconds_total": "0+60x120",
            "pagefold_gpu_seconds_total": "0+60x120",
        },
        {"PagefoldRunSilent": {"instance": "a"}, "PagefoldPagesFail": {}, "PagefoldReadersDie": {}, "PagefoldEnginesIdle": {}},
    ),
    "a schedule whose runs fail, one of them at every page, the last one for want of its lease, and a store that spills": (
        {
            'pagefold_lease_held{instance="a"}': "0+0x120",
            'pagefold_last_progress_timestamp_seconds{instance="a"}': "0+0x120",
            'pagefold_last_run_timestamp_seconds{instance="a", status="finished"}': "0+0x120",
            'pagefold_last_run_timestamp_seconds{instance="a", status="failed"}': "0+60x120",
            'pagefold_runs_total{status="failed"}': "0+0x60 1+0.1x60",
            'pagefold_runs_total{status="too_many_failed"}': "0+0x60 1+0x60",
            'pagefold_lease_age_seconds{instance="a"}': "0+0x86 38+0x0 0+0x40",
            'ray_object_store_memory{Location="SPILLED"}': "2000000000+0x120",
            'ray_object_store_memory{Location="IN_MEMORY"}': "9000000000+0x120",
        },
        {
            "PagefoldNoRunFinished": {},
            "PagefoldRunsFail": {},
            "PagefoldTooManyFailed": {},
            "PagefoldLeaseNotRenewed": {"instance": "a"},
            "PagefoldSpilling": {},
        },
    ),
    "all is well": (
        {
            'pagefold_lease_held{instance="a"}': "1+0x120",
            'pagefold_lease_age_seconds{instance="a"}': "15+0x120",
            'pagefold_last_progress_timestamp_seconds{instance="a"}': "0+60x120",
            'pagefold_last_run_timestamp_seconds{instance="a", status="nothing_to_do"}': "0+60x120",
            'pagefold_pages_total{outcome="ok"}': "0+99x120",
            'pagefold_pages_total{outcome="failed"}': "0+1x120",
            "pagefold_engine_busy_seconds_total": "0+55x120",
            "pagefold_reader_seconds_total": "0+60x120",
            "pagefold_gpu_seconds_total": "0+60x120",
            "pagefold_reader_starts_total": "0+8x120",
            "pagefold_reader_restarts_total": "0+0.01x120",
        },
        {},
    ),
}


@needs_promtool
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_alerts_fire_when_they_should_and_not_otherwise(tmp_path: Path, scenario: str) -> None:
    series, fired = SCENARIOS[scenario]
    alerts = deepcopy(ALERTS)
    for rule in alerts["groups"][0]["rules"]:
        del rule["annotations"]
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(alerts))
    expected = [
        {
            "eval_time": "90m",
            "alertname": rule["alert"],
            "exp_alerts": [{"exp_labels": fired[rule["alert"]] | rule["labels"]}] if rule["alert"] in fired else [],
        }
        for rule in RULES
    ]
    test = {
        "rule_files": ["alerts.yaml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": expected,
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    done = subprocess.run([str(PROMTOOL), "test", "rules", "test.yaml"], cwd=tmp_path, timeout=240, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_in_some_scenario() -> None:
    assert {name for _, fired in SCENARIOS.values() for name in fired} == {rule["alert"] for rule in RULES}
