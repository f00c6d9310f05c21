"""The command line as a fixture."""

import sys
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.config import all_settings


class Pagefold:
    """`pagefold ARGS` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def __call__(self, *args: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["pagefold", *args])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = self._capfd.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err


@pytest.fixture
def pagefold(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Pagefold:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for setting in all_settings():
        monkeypatch.delenv(setting.env, raising=False)
    return Pagefold(monkeypatch, capfd)
