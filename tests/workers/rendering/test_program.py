import subprocess
import sys
from pathlib import Path

import pytest

from workers.rendering.sandbox.landlock import is_available
from workers.rendering.sandbox.program import command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confinement needs Linux")
MEBI = 1024**2


def run(program, *arguments, places=(), **limits):
    line = command(program, arguments, **{"memory_bytes": 512 * MEBI, "cpu_s": 5} | limits, places=places)
    return subprocess.run(line, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.skipif(not is_available(), reason="no Landlock in this kernel")
@pytest.mark.slow
def test_a_program_reads_its_places_and_nothing_else(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/open.txt").write_text("words")
    (tmp_path / "closed.txt").write_text("secret")

    assert run("/bin/cat", str(tmp_path / "a/open.txt"), places=[str(tmp_path / "a")]).stdout == "words"
    refused = run("/bin/cat", str(tmp_path / "closed.txt"), places=[str(tmp_path / "a")])
    assert (refused.returncode, refused.stdout) == (1, "")


def test_a_program_writes_no_file(tmp_path):
    run("/bin/cp", "/bin/cat", str(tmp_path / "copy"), places=[str(tmp_path)])
    copy = tmp_path / "copy"
    assert not copy.exists() or copy.stat().st_size == 0


def test_a_program_has_no_more_memory_than_it_is_given():
    python = str(Path(sys.executable).resolve())
    grown = run(python, "-S", "-c", "bytearray(1 << 30)", places=[sys.base_prefix])
    assert grown.returncode != 0
