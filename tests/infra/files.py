"""What is deployed, read: compose, Kubernetes, Terraform and the image, and the commands inside them."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
COMPOSE = ROOT / "docker-compose.yml"

Object = dict[str, Any]


def compose() -> Object:
    """Anchors and merge keys resolved, variables left as they are."""
    return yaml.safe_load(COMPOSE.read_text("utf-8"))


def manifests() -> dict[str, Object]:
    """Kubernetes resources by `file:kind/name`; kustomization.yaml is read by kustomize alone."""
    found = {}
    for path in sorted((INFRA / "k8s").glob("*.yaml")):
        for resource in yaml.safe_load_all(path.read_text("utf-8")):
            if resource["kind"] != "Kustomization":
                metadata = resource["metadata"]
                found[f"{path.name}:{resource['kind']}/{metadata.get('name', metadata.get('generateName'))}"] = resource
    return found


def pod_specs(resource: Object) -> Iterator[Object]:
    """Every pod template's spec inside a resource."""
    for value in walk(resource):
        if isinstance(value, dict) and "containers" in value:
            yield value


def pod_labels(resources: dict[str, Object]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every pod template inside resources, with the labels that its pods have."""
    for name, resource in resources.items():
        for value in walk(resource):
            if isinstance(value, dict) and "containers" in value.get("spec", {}):
                yield name, value.get("metadata", {}).get("labels", {})


def walk(value: Any) -> Iterator[Any]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(item)


@cache  # python-hcl2 takes half a second
def terraform() -> dict[str, dict[str, Object]]:
    """Blocks by `resource.type` or `data.type`, then name: attributes, with quotes removed."""
    found: dict[str, dict[str, Object]] = {}
    for path in sorted((INFRA / "terraform").glob("*.tf")):
        with path.open(encoding="utf-8") as file:
            parsed = plain(hcl2.load(file))
        for kind in ("resource", "data"):
            for block in parsed.get(kind, []):
                for type_, named in block.items():
                    found.setdefault(f"{kind}.{type_}", {}).update(named)
        for kind in ("variable", "output", "terraform"):
            for block in parsed.get(kind, []):
                found.setdefault(kind, {}).update(block)
    return found


def plain(value: Any) -> Any:
    """python-hcl2 keeps the quotes of strings and keys, and marks blocks; without both."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items() if key not in ("__is_block__", "__comments__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def statements() -> dict[str, Object]:
    """The role's policy by sid."""
    return {statement["sid"]: statement for statement in terraform()["data.aws_iam_policy_document"]["run"]["statement"]}


def commands() -> Iterator[tuple[str, list[str]]]:
    """(where, arguments) of every `pagefold …` that infra or compose runs or tells a person to run."""
    for name, service in compose()["services"].items():
        entrypoint, command = service.get("entrypoint", ["pagefold"]), service.get("command", [])
        words = [*entrypoint, *(shlex.split(command) if isinstance(command, str) else command)]
        if "pagefold" in words and "image" in service and service["image"].startswith("pagefold:"):
            yield f"compose: {name}", [word for word in words[words.index("pagefold") + 1 :] if not word.startswith("${")]
    for name, resource in manifests().items():
        for value in walk(resource):
            if isinstance(value, dict) and "entrypoint" in value:
                yield name, shlex.split(value["entrypoint"])[1:]
            if isinstance(value, dict) and "args" in value and str(value.get("image")).startswith("pagefold:"):
                yield name, value["args"]
    flags = re.search(r'PAGEFOLD_RUN_FLAGS="([^"]+)"', COMPOSE.read_text("utf-8"))
    assert flags
    yield "compose: flags in its head", ["run", "in", "out", *shlex.split(flags[1])]
