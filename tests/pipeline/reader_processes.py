"""The reader processes of this test's Ray: they bear the stage's name."""

import psutil


def reader_pids() -> list[int]:
    return [process.pid for process in psutil.Process().children(recursive=True) if "ReadPages" in _command(process)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it ended meanwhile
        return ""
