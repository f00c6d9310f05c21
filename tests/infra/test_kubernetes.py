"""infra/k8s: valid by Kubernetes' own schemas and by KubeRay's API, least privilege; and a planted mistake is found."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.watching.child_process import _END_S
from schemas.settings import RaySettings
from tests.infra.checks import manifest_findings, network_findings
from tests.infra.files import INFRA, manifests, pod_labels
from tests.infra.test_compose import set_

MANIFESTS = manifests()
JOB, CRON = "rayjob.yaml:RayJob/pagefold-", "cronjob.yaml:CronJob/pagefold"
WATCH = "watch.yaml:Deployment/pagefold-watch"


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_manifest_is_sound(name):
    assert manifest_findings(MANIFESTS[name]) == []


HEAD = "spec/rayClusterSpec/headGroupSpec"
HEAD_POD = f"{HEAD}/template/spec"
CRON_POD = "spec/jobTemplate/spec/template/spec"


@pytest.mark.parametrize(
    ("name", "path", "new", "finding"),
    [
        (JOB, "spec/shutdownAfterJobFinish", True, "shutdownAfterJobFinish"),
        (JOB, "spec/ttlSecondsAfterFinished", "3600", "3600"),
        (JOB, "spec/rayClusterSpec/rayVersion", 2.6, "2.6"),
        (JOB, "spec/rayClusterSpec/autoscalerOptions/upscalingMode", "Fast", "Fast"),
        (JOB, f"{HEAD}/rayStartParams", {"num-cpus": 0}, "0 is not of type 'string'"),
        (JOB, f"{HEAD_POD}/serviceAcountName", "pagefold", "serviceAcountName"),
        (JOB, f"{HEAD_POD}/securityContext", {}, "as root"),
        (JOB, "spec/schedule", "@daily", "schedule"),
        (JOB, "spec/rayClusterSpec/authOptions", None, "whoever reaches it"),
        (JOB, "spec/rayClusterSpec/authOptions", {"mode": "disabled"}, "whoever reaches it"),
        (JOB, "spec/rayClusterSpec/authOptions/mode", "tokens", "tokens"),
        (JOB, "spec/submitterPodTemplate/spec/securityContext", {}, "as root"),
        ("network.yaml:NetworkPolicy/pagefold-ray", "spec/ingres", [], "ingres"),
        (CRON, "spec/concurencyPolicy", "Forbid", "concurencyPolicy"),
        (CRON, "spec/jobTemplate/spec/backoffLimit", "none", "none"),
        (CRON, f"{CRON_POD}/restartPolicy", "Always", "restart"),
        (CRON, f"{CRON_POD}/serviceAccountName", None, "default service account"),
        (WATCH, "spec/strategy", "Recreate", "Recreate"),
        (WATCH, "spec/template/spec/terminationGracePeriod", 90, "terminationGracePeriod"),
        (WATCH, "spec/template/spec/securityContext", {}, "as root"),
        (WATCH, "spec/template/spec/volumes", [], "no volume"),
        ("rbac.yaml:Role/pagefold-schedule", "rules", [{"apiGroup": ["ray.io"], "verbs": ["create"]}], "apiGroup"),
    ],
)
@pytest.mark.slow
def test_a_planted_mistake_is_found(name, path, new, finding):
    broken = json.loads(json.dumps(MANIFESTS[name]))
    set_(broken, path, new)
    assert any(finding in found for found in manifest_findings(broken)), manifest_findings(broken)


@pytest.mark.parametrize(
    ("key", "new", "finding"),
    [
        ("image", "pagefold:latest", "not pinned"),
        ("image", "pagefold", "not pinned"),
        ("securityContext", {"privileged": True}, "privileges"),
        ("resources", {}, "memory"),
        ("resources", {"limits": {"memory": "1Gi", "nvidia.com/gpu": [1]}}, "[1]"),
        ("volumeMounts", [{"name": "scratch", "mountPath": "/x"}], "no volume"),
    ],
)
@pytest.mark.slow
def test_a_planted_mistake_in_a_container_is_found(key, new, finding):
    broken = json.loads(json.dumps(MANIFESTS[JOB]))
    broken["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0][key] = new
    assert any(finding in found for found in manifest_findings(broken)), manifest_findings(broken)


def test_every_pod_has_one_network_policy_that_closes_both_ways():
    assert network_findings(MANIFESTS) == []
    assert len(list(pod_labels(MANIFESTS))) == 8  # submitter, head and workers, twice; the schedule and the watch


RAY_POLICY = "network.yaml:NetworkPolicy/pagefold-ray"


@pytest.mark.parametrize(
    ("name", "path", "new", "finding"),
    [
        (RAY_POLICY, "spec/policyTypes", ["Ingress"], "one way is open"),
        (RAY_POLICY, "spec/ingress", [{}], "about everybody"),
        (RAY_POLICY, "spec/egress", [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}], "metadata"),
        (RAY_POLICY, "spec/ingress", [{"from": [{"namespaceSelector": {}}]}], "every port"),
        (RAY_POLICY, "spec/podSelector/matchLabels", {"app.kubernetes.io/name": "pagefold"}, "2 network policies"),
        (RAY_POLICY, "spec/podSelector/matchLabels", {"app.kubernetes.io/name": "page"}, "0 network policies"),
        (JOB, f"{HEAD}/template/metadata/labels", {"app.kubernetes.io/name": "pagefold"}, "0 network policies"),
    ],
)
def test_a_planted_mistake_in_the_network_is_found(name, path, new, finding):
    broken = json.loads(json.dumps(MANIFESTS))
    set_(broken[name], path, new)
    assert any(finding in found for found in network_findings(broken)), network_findings(broken)


def test_prometheus_reaches_the_ports_that_are_served_and_the_operator_the_dashboard():
    def ports(policy, way="ingress"):
        rules = MANIFESTS[f"network.yaml:NetworkPolicy/{policy}"]["spec"][way]
        return {port["port"] for rule in rules for port in rule.get("ports", ())}

    head = MANIFESTS[JOB]["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert ports("pagefold-ray") == {port["containerPort"] for port in head["ports"]} - {6379}
    watch = MANIFESTS[WATCH]["spec"]["template"]["spec"]["containers"][0]
    assert ports("pagefold-watch") == {port["containerPort"] for port in watch["ports"]}
    (base_url,) = [word for word in watch["args"] if word.startswith("--base-url=")]
    assert int(base_url.rsplit(":", 1)[1].partition("/")[0]) in ports("pagefold-watch", "egress")
    assert ports("pagefold-schedule") == set()


def test_gpu_workers_start_from_zero_and_leave():
    cluster = MANIFESTS[JOB]["spec"]["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"] is True
    (group,) = cluster["workerGroupSpecs"]
    assert (group["replicas"], group["minReplicas"]) == (0, 0)
    (container,) = group["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert f"engine.max_actors={group['maxReplicas']}" in MANIFESTS[JOB]["spec"]["entrypoint"]
    assert MANIFESTS[JOB]["spec"]["shutdownAfterJobFinishes"] is True


def test_the_schedule_never_runs_twice_at_once_and_waits_longer_than_the_job_may_take():
    spec = MANIFESTS[CRON]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > MANIFESTS[JOB]["spec"]["activeDeadlineSeconds"]


def test_a_head_is_gone_before_the_next_run_has_ended():
    minutes = int(MANIFESTS[CRON]["spec"]["schedule"].removeprefix("*/").partition(" ")[0])
    assert MANIFESTS[JOB]["spec"]["ttlSecondsAfterFinished"] < minutes * 60


def test_one_watch_at_a_time_has_the_time_to_hand_back() -> None:
    spec = MANIFESTS[WATCH]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > RaySettings().grace_s + _END_S
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


@pytest.mark.parametrize("name", [JOB, WATCH])
def test_prometheus_is_told_the_port_that_the_run_serves(name: str) -> None:
    text = json.dumps(MANIFESTS[name])
    assert text.count("metrics.port=9464") == text.count("metrics.host=0.0.0.0") == 1
    assert '"prometheus.io/port": "9464"' in text
    assert '"containerPort": 9464' in text


def test_ray_has_the_version_of_the_image():
    lock = (INFRA / "requirements-cuda.txt").read_text("utf-8")
    assert f"\nray=={MANIFESTS[JOB]['spec']['rayClusterSpec']['rayVersion']} " in lock


def test_rays_own_schedule_runs_the_same_job():
    assert MANIFESTS["raycronjob.yaml:RayCronJob/pagefold"]["spec"]["jobTemplate"] == MANIFESTS[JOB]["spec"]


def test_the_schedule_may_create_a_run_and_look_at_it_and_nothing_else():
    rules = MANIFESTS["rbac.yaml:Role/pagefold-schedule"]["rules"]
    assert rules == [{"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create", "get"]}]
    called = {line.split("kubectl ")[1].split()[0] for line in script().splitlines() if "kubectl " in line}
    assert called == {"create", "get"}
    binding = MANIFESTS["rbac.yaml:RoleBinding/pagefold-schedule"]
    assert binding["roleRef"]["name"] == "pagefold-schedule"
    assert [subject["name"] for subject in binding["subjects"]] == ["pagefold-schedule"]


def test_kustomize_takes_files_that_are_there_and_leaves_out_rays_own_schedule():
    kustomization = yaml.safe_load((INFRA / "k8s" / "kustomization.yaml").read_text("utf-8"))
    assert set(kustomization) == {"apiVersion", "kind", "namespace", "resources", "configMapGenerator"}
    (generator,) = kustomization["configMapGenerator"]
    assert [name for name in [*kustomization["resources"], *generator["files"]] if not (INFRA / "k8s" / name).is_file()] == []
    assert "raycronjob.yaml" not in kustomization["resources"]
    volumes = MANIFESTS[CRON]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    assert generator["name"] in [volume.get("configMap", {}).get("name") for volume in volumes]


# schedule.sh, with a kubectl that answers from a list


def script() -> str:
    return (INFRA / "k8s" / "schedule.sh").read_text("utf-8")


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        pytest.param([" ", "Initializing ", "Running RUNNING", "Complete SUCCEEDED"], 0, id="it finished"),
        pytest.param(["Running RUNNING", "Failed FAILED"], 1, id="the run failed"),
        pytest.param(["Complete FAILED"], 1, id="complete, and yet failed: older KubeRay"),
        pytest.param(["ValidationFailed "], 1, id="KubeRay refuses the job: it never starts"),
        pytest.param(["error", "Running RUNNING", "error", "Complete SUCCEEDED"], 0, id="the API was away for a moment"),
        pytest.param(["error"] * 40, 1, id="the job was deleted"),
    ],
)
@pytest.mark.slow
def test_the_schedule_ends_as_the_run_ends(tmp_path: Path, answers, code):
    (tmp_path / "answers").write_text("\n".join(answers) + "\n")
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        f"""#!/bin/sh
[ "$1" = create ] && cat > {tmp_path}/created && echo rayjob.ray.io/pagefold-x && exit 0
answer=$(head -n 1 {tmp_path}/answers)
sed -i 1d {tmp_path}/answers
[ "$answer" = error ] && exit 1
echo "$answer"
"""
    )
    sleep = tmp_path / "sleep"
    sleep.write_text("#!/bin/sh\n")
    for command in (kubectl, sleep):
        command.chmod(0o755)
    result = subprocess.run(["sh", "-c", script()], env=environment(tmp_path), capture_output=True, text=True, timeout=240)
    assert result.returncode == code, result.stderr
    assert "created rayjob.ray.io/pagefold-x" in result.stdout
    created = yaml.safe_load((tmp_path / "created").read_text())
    assert created["metadata"].pop("ownerReferences") == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "pagefold-29", "uid": "1-2-3"}
    ]
    assert created == MANIFESTS[JOB]


def environment(folder: Path) -> dict[str, str]:
    """What the CronJob gives the script, and a PATH with the commands in `folder`."""
    given = {"RAYJOB": str(INFRA / "k8s" / "rayjob.yaml"), "JOB_NAME": "pagefold-29", "JOB_UID": "1-2-3"}
    (container,) = MANIFESTS[CRON]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert given.keys() == {variable["name"] for variable in container["env"]} - {"HOME"}
    return given | {"PATH": f"{folder}:/usr/bin:/bin"}


def test_a_run_that_cannot_be_created_is_said_at_once(tmp_path: Path):
    (tmp_path / "kubectl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "kubectl").chmod(0o755)
    result = subprocess.run(["sh", "-c", script()], env=environment(tmp_path), capture_output=True, timeout=240)
    assert result.returncode == 1
