"""A command whose output, log or progress cannot be written."""

import os
import subprocess
import sys

import pytest


def in_a_process(code: str, stdout: int | None = None, stderr: int | None = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """`pagefold` with fakes that `code` puts in place."""
    code = (
        "import sys\n"
        "from pipeline import cli, runner\n"
        "from pipeline.reporting.summary import Summary\n"
        "runner.run = lambda *_, **__: Summary(run_id='r', status='finished', output='out', num_documents=2, seconds=1.0)\n" + code
    )
    return subprocess.run([sys.executable, "-c", code], stdout=stdout, stderr=stderr, text=True, timeout=240, check=False)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_finished_run_whose_summary_meets_a_full_disk_is_finished(flags):
    with open("/dev/full", "w") as full:
        done = in_a_process(f"sys.argv = ['pagefold', 'run', 'in', 'out', '-q', *{flags}]; cli.main()", full.fileno())
    assert (done.returncode, done.stderr) == (
        0,
        "pagefold: the run is over, but its summary could not be printed: No space left on device.\n",
    )


@pytest.mark.slow
def test_a_finished_run_whose_summary_nobody_reads_is_finished():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = in_a_process("sys.argv = ['pagefold', 'run', 'in', 'out', '-q']; cli.main()", writer)
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_another_command_that_meets_a_full_disk_says_so_in_a_sentence():
    with open("/dev/full", "w") as full:
        done = in_a_process("sys.argv = ['pagefold', 'schema', '--json']; cli.main()", full.fileno())
    assert (done.returncode, done.stderr) == (1, "pagefold: No space left on device: standard output, or what it goes to.\n")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_run_whose_progress_meets_a_full_disk_is_finished():
    with open("/dev/full", "w") as full:
        done = in_a_process(
            "import time\n"
            "def run(*_, observer, **__):\n"
            "    observer.phase('reading')\n"
            "    print('noise of Ray', flush=True)\n"
            "    time.sleep(0.3)\n"
            "    return Summary(run_id='r', status='finished', output='out', num_documents=2, seconds=1.0)\n"
            "runner.run = run\n"
            "sys.argv = ['pagefold', 'run', 'in', 'out']; cli.main()",
            subprocess.PIPE,
            full.fileno(),
        )
    assert (done.returncode, done.stdout.startswith("Finished")) == (0, True)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_run_whose_log_meets_a_full_disk_is_finished():
    done = in_a_process(
        "from pathlib import Path\n"
        "from pipeline.reporting import terminal as report\n"
        "import logging, os\n"
        "opened = report.quiet_ray\n"
        "report.quiet_ray = lambda log: opened(Path('/dev/full'))\n"
        "def run(*_, **__):\n"
        "    logging.getLogger('ray').warning('noise of Ray')\n"
        "    os.system('echo noise of a child')\n"
        "    return Summary(run_id='r', status='finished', output='out', num_documents=2, seconds=1.0)\n"
        "runner.run = run\n"
        "sys.argv = ['pagefold', 'run', 'in', 'out']; cli.main()",
        subprocess.PIPE,
    )
    assert done.returncode == 0, done.stderr
    assert "Finished" in done.stdout


@pytest.mark.slow
def test_a_stream_that_the_caller_has_closed_gets_no_file_of_ours(tmp_path):
    code = (
        "import sys\n"
        "from pipeline import cli, runner\n"
        "from pipeline.reporting.summary import Summary\n"
        "def run(*_, **__):\n"
        "    file = open(sys.argv[-1], 'w')\n"
        "    assert file.fileno() > 2\n"
        "    return Summary(run_id='r', status='finished', output='out', num_documents=2, seconds=1.0)\n"
        "runner.run = run\n"
        "sys.argv = ['pagefold', 'run', 'in', sys.argv[1]]; cli.main()"
    )
    shell = ["sh", "-c", 'exec "$0" -c "$1" "$2" <&- >&- 2>&-', sys.executable, code, str(tmp_path / "out")]
    assert subprocess.run(shell, timeout=240, check=False).returncode == 0


@pytest.mark.slow
def test_signs_that_stdout_lacks_are_a_sentence(tmp_path):
    code = "import sys; from pipeline import cli; sys.argv[0] = 'pagefold'; cli.main()"
    command = [sys.executable, "-c", code, "query", str(tmp_path), "SELECT chr(233) AS sign"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stderr) == (
        2,
        "pagefold: what is printed has signs that ascii lacks: set PYTHONIOENCODING=utf-8.\n",
    )
