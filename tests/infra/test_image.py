"""infra/Dockerfile and what it installs: linted, pinned, not root; and a planted mistake is found."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.infra.checks import dockerfile_findings, hadolint, lint_dockerfile
from tests.infra.files import INFRA, ROOT

DOCKERFILE = INFRA / "Dockerfile"
TEXT = DOCKERFILE.read_text("utf-8")
needs_hadolint = pytest.mark.skipif(hadolint() is None, reason="hadolint's wheel is for Linux on x86-64")


def test_the_dockerfile_is_sound():
    assert dockerfile_findings(TEXT) == []


@needs_hadolint
@pytest.mark.slow
def test_hadolint_has_nothing_to_say():
    assert lint_dockerfile(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("USER 10001:10001", "USER pagefold", "root"),
        ("USER 10001:10001", "USER 0", "root"),
        ("python:3.11.14-slim-bookworm\n", "python:latest\n", "not pinned"),
        ("python:3.11.14-slim-bookworm\n", "python\n", "not pinned"),
        ("pip install --require-hashes -r requirements-build.txt", "pip install uv==0.13.9", "without a hash"),
        ("uv pip install --require-hashes -r requirements-cpu.txt", "uv pip install -r requirements-cpu.txt", "without a hash"),
        ("FROM runtime AS cuda", "FROM runtime AS gpu", "no target cuda"),
        ("COPY schemas schemas", "COPY schema schema", "schema is copied and not there"),
    ],
)
def test_a_planted_mistake_is_found(old, new, finding):
    assert old in TEXT
    found = dockerfile_findings(TEXT.replace(old, new))
    assert any(finding in sentence for sentence in found), found


@needs_hadolint
@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("WORKDIR /src", "WORKDIR src", "DL3000"),
        ("--no-install-recommends wget", "wget", "DL3015"),
        ('ENTRYPOINT ["pagefold"]', "ENTRYPOINT pagefold", "DL3025"),
        ("--require-hashes -r requirements-build.txt", "uv", "DL3013"),
        ("RUN python -m hatchling", "RUNN python -m hatchling", "missing whitespace"),
    ],
)
@pytest.mark.slow
def test_hadolint_finds_a_planted_mistake(tmp_path, old, new, rule):
    assert old in TEXT
    (tmp_path / "Dockerfile").write_text(TEXT.replace(old, new))
    found = lint_dockerfile(tmp_path / "Dockerfile")
    assert any(rule in sentence for sentence in found), found


def test_the_context_has_what_the_image_copies_and_no_more():
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {part for names in re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE) for part in names.split()}
    assert {re.sub(r"requirements-\w+", "requirements-*", name) for name in copied} == let_in


def locked(target: str) -> dict[str, str]:
    """Versions by package. Every one has a hash."""
    text = (INFRA / f"requirements-{target}.txt").read_text("utf-8")
    entries = re.findall(
        r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)((?: ; [^\\]+)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )
    unpinned = [line for line in text.splitlines() if line and not line.startswith(("#", " ")) and "==" not in line]
    assert unpinned == []
    assert len(entries) == len(re.findall(r"^[\w.-]+(?:\[[\w,]+\])?==", text, re.MULTILINE))
    return {canonicalize_name(name): version for name, version, _ in entries}


def test_what_builds_the_image_is_what_is_asked_for_and_builds_the_lock():
    asked = (INFRA / "requirements-build.in").read_text("utf-8").splitlines()[1:]
    versions = locked("build")
    assert [f"{name}=={versions[name]}" for name in ("uv", "hatchling")] == asked
    assert f"UV := {asked[0]}\n" in (ROOT / "Makefile").read_text("utf-8")
    assert versions.keys() >= {"packaging", "pathspec", "pluggy", "trove-classifiers"}  # hatchling's own


def wanted(target: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extra = project["optional-dependencies"]["ovis"] if target == "cuda" else []
    return [Requirement(text) for text in [*project["dependencies"], *extra]]


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_what_the_image_installs_is_what_the_project_asks_for(target):
    """Not so after a change of the dependencies: `make lock`."""
    versions = locked(target)
    missing = [str(need) for need in wanted(target) if versions.get(canonicalize_name(need.name)) is None]
    assert missing == []
    assert [str(need) for need in wanted(target) if not need.specifier.contains(versions[canonicalize_name(need.name)])] == []


def test_the_image_for_the_cpu_has_no_torch():
    assert "torch" not in locked("cpu")
    assert "torch" in locked("cuda")


def test_the_image_has_the_torch_that_the_tests_use():
    (pinned,) = re.findall(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    assert locked("cuda")["torch"] == pinned


def test_the_image_for_cuda_can_compile_and_tries_it():
    target = TEXT[TEXT.index("FROM runtime AS cuda") : TEXT.index("FROM runtime AS cpu")]
    assert re.search(r"apt-get install [^&]*\bgcc libc6-dev\b", target)
    assert target.index("import trial") > target.rindex("USER 10001:10001")  # as the user who compiles in a run


def test_both_images_have_the_same_ray():
    assert locked("cpu")["ray"] == locked("cuda")["ray"]
