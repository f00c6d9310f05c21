"""The benchmarks by name, wherever below this folder they lie.

    python -m tests.bench                    # lists them, with what each measures
    python -m tests.bench NAME [ARGUMENT …]  # runs one
    python -m tests.bench --all              # one after the other, and short campaigns of tests.faults: `make bench`

With `--all`, those over shared inputs are skipped, and say so, where there are none.
"""

import ast
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from tests.bench.inputs.places import EXAMPLES, ROOT, SHARED_DATA

FOLDER = Path(__file__).parent
ALL: list[tuple[str, list[str], bool]] = [
    ("encode", [str(EXAMPLES / "report.pdf"), str(EXAMPLES / "two_columns.pdf")], False),
    ("render", ["--pages", "1000"], False),
    ("born_digital", ["--pages", "150"], False),
    ("server", ["--pages", "400"], False),
    ("server", ["--one"], False),
    ("server", ["--pages", "116", "--capacities", "20"], False),
    ("server", ["--latency-s", "4"], False),
    ("requests", [], False),
    ("ways", ["--pages", "1000"], False),
    ("scale", [], False),
    ("planning", [], False),
    ("million", [], False),
    ("views", [], False),
    ("search", [], False),
    ("report", [], False),
    ("regions", [], True),
    ("chart_checks", [], True),
    ("sweep_render", [], True),
    ("cer", [], True),
    ("cases", [], False),
    ("structure", [], True),
    ("askew", [], False),
    ("shared_inputs", [], True),
    ("tests.faults.kill", ["--kills", "20"], False),
    ("tests.faults.kill", ["--kills", "20", "--s3"], False),
    ("tests.faults.kill", ["--kills", "20", "--on", "local", "--longest-s", "4"], False),
    ("tests.faults.kill", ["--kills", "20", "--on", "local", "--longest-s", "4", "--s3"], False),
    ("tests.faults.world", [], False),
    ("tests.faults.world", ["--on", "local"], False),
    ("tests.faults.churn", ["--polls", "20"], False),
    ("tests.faults.churn", ["--polls", "20", "--on", "local", "--longest-s", "2"], False),
]
"""Name of a benchmark, or module of a campaign; arguments; does it need shared inputs."""


def benchmarks() -> dict[str, Path]:
    """The file of each benchmark by its name: the files that run as programs. Raises ValueError where two have one name."""
    found: dict[str, Path] = {}
    for path in sorted(FOLDER.rglob("*.py")):
        if path == Path(__file__) or '__name__ == "__main__"' not in path.read_text("utf-8"):
            continue
        name = path.parent.name if path.stem == "__main__" else path.stem
        if name in found:
            raise ValueError(f"two benchmarks are named {name}: {found[name]} and {path}")
        found[name] = path
    return found


def module_of(name: str) -> str:
    """What `python -m` runs of a benchmark; of a campaign, which is named by its module, that."""
    path = benchmarks().get(name)
    return ".".join(path.relative_to(ROOT).with_suffix("").parts) if path else name


def first_clause(path: Path) -> str:
    """What a benchmark measures, as its docstring begins."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(re.split(r"[.:?](?:\s|$)", docstring, maxsplit=1)[0].split())


def list_them() -> None:
    """Prints name and subject, by folder."""
    folder = None
    for name, path in sorted(benchmarks().items(), key=lambda named: (str(_subject(named[1])), named[0])):
        if _subject(path) != folder:
            folder = _subject(path)
            print(f"\n{folder}")
        print(f"  {name:15} {first_clause(path)}")


def run_all() -> int:
    """Runs all of `ALL`; 1 where one failed."""
    failed = []
    for name, arguments, needs_shared in ALL:
        print(f"\n== {name}", flush=True)
        if needs_shared and not SHARED_DATA.is_dir():
            print(f"skipped: it reads shared inputs beside the repository, and there are none ({SHARED_DATA})")
            continue
        started = time.monotonic()
        command = [sys.executable, "-X", "faulthandler", "-m", module_of(name), *arguments]
        code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
        if code:
            failed.append(name)
        how = f"; ended by {signal.Signals(-code).name}" if code < 0 else f"; exit code {code}" if code else ""
        print(f"-- {time.monotonic() - started:.0f} s{how}", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


def main(arguments: list[str]) -> NoReturn:
    """Ends this process: a benchmark that is named takes it over, and where there is none of that name, the exit code is 2."""
    if not arguments:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` takes what it wants
        list_them()
        sys.exit()
    if arguments == ["--all"]:
        sys.exit(run_all())
    name, *its_arguments = arguments
    if name not in benchmarks():
        print(f"there is no benchmark {name}; `python -m tests.bench` lists them", file=sys.stderr)
        sys.exit(2)
    os.execv(sys.executable, [sys.executable, "-m", module_of(name), *its_arguments])


def _subject(path: Path) -> str:
    """The folder right below this one; "." of what lies here."""
    return path.relative_to(FOLDER).parts[0] if path.parent != FOLDER else "."


if __name__ == "__main__":
    main(sys.argv[1:])
