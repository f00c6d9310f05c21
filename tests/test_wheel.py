"""The wheel: it carries what a run needs, and its command starts without the development tools."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built offline, by the hatchling of the `dev` group."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            str(folder),
            str(ROOT),
        ],
        check=True,
        timeout=240,
        stdin=subprocess.DEVNULL,
    )
    (built,) = folder.glob("pagefold-*.whl")
    return built


def test_the_wheel_has_the_packages_the_views_and_the_examples_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"pipeline", "schemas", "workers"}
    for name in ("pipeline/analytics/views.sql", "pipeline/graph.py", "workers/engines/engine.py", "schemas/tables.py"):
        assert name in names
    tracked = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline" / "examples").iterdir() if path.is_file()}
    assert tracked
    assert tracked <= set(names)
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert [name for name in names if name.endswith("README.md")] == []


def test_torch_is_only_in_the_extra(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        required = [line for line in archive.read(name).decode().splitlines() if line.startswith("Requires-Dist: ")]
    assert [line for line in required if "torch" in line and "extra == 'ovis'" not in line] == []
    assert [line for line in required if "pytest" in line or "mypy" in line] == []


def test_its_command_starts_from_the_wheel_alone(wheel, tmp_path):
    """Dependencies come from this environment; our packages, from the unpacked wheel and nowhere else."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import sys; sys.path = [p for p in sys.path if p != sys.argv[1]]; sys.path.insert(0, sys.argv[2])\n"
        "import pipeline.cli\n"
        "assert pipeline.__file__.startswith(sys.argv[2]), pipeline.__file__\n"
        "sys.argv = ['pagefold', *sys.argv[3:]]\n"
        "pipeline.cli.main()\n"
    )

    def run(*args: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [sys.executable, "-P", "-c", program, str(ROOT), str(tmp_path / "site"), *args],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
        ).stdout

    assert "Usage: pagefold" in run("--help")
    assert run("query", str(tmp_path), "select count(*) as n from current_pages", "--csv") == "n\n0\n"
