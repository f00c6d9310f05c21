"""How the tree reads: files in a folder, circles of imports, length of the README, sentences of the docstrings.

    python -m tests.bench tree              # the working tree
    python -m tests.bench tree REVISION     # as of a commit

Two revisions give before and after. Imports are those of the syntax tree, at the grain of a module, inside functions as well; those
below `if TYPE_CHECKING` are counted apart. Folders that lie side by side import each other where a file of each, at whatever depth,
imports one of the other.
"""

import argparse
import ast
import io
import re
import signal
import statistics
import subprocess
import sys
import tarfile
import tokenize
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.bench.inputs.places import ROOT

PACKAGES = ("schemas", "workers", "pipeline")
NUM_LONGEST = 10

_TELL = re.compile(r"(?<![a-z])(tell|tells|told|telling)(?![a-z])", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])[)`\"']*\s+(?=\S)")
_APART = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|>]|\d+\. |Raises ))")
_CODE_INDENT = "    "

Graph = dict[str, set[str]]
"""Of each node the nodes that it imports."""


@dataclass(frozen=True)
class Text:
    """A docstring or a comment, and the line it begins on."""

    path: str
    line: int
    text: str


def read_working_tree(root: Path) -> dict[str, str]:
    """The text of each Python and Markdown file that git tracks or would track, by its path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=root, check=True, capture_output=True
    )
    names = sorted(set(filter(_is_read, listed.stdout.decode().split("\0"))))
    return {name: (root / name).read_text("utf-8") for name in names if (root / name).is_file()}


def read_revision(root: Path, revision: str) -> dict[str, str]:
    """The same as of a commit. Raises CalledProcessError where git knows no such revision."""
    archive = subprocess.run(["git", "archive", revision], cwd=root, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isfile() and _is_read(member.name)}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def files_per_folder(paths: list[str]) -> Counter[str]:
    """Number of Python files that lie in each folder itself."""
    return Counter(str(PurePosixPath(path).parent) for path in paths if path.endswith(".py"))


def import_graphs(files: Mapping[str, str]) -> tuple[Graph, Graph]:
    """What each module of the packages imports of them: when it runs, and for type checkers alone."""
    modules = {_module(path): path for path in files if path.endswith(".py") and path.split("/")[0] in PACKAGES}
    at_run_time: Graph = {}
    for_types: Graph = {}
    for module, path in modules.items():
        tree = ast.parse(files[path])
        guarded = {id(node) for block in ast.walk(tree) if _is_type_checking(block) for node in ast.walk(block)}
        at_run_time[module], for_types[module] = set(), set()
        package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
        for node in ast.walk(tree):
            imported = {name for name in _imported(node, package, modules) if name != module}
            (for_types if id(node) in guarded else at_run_time)[module].update(imported)
    return at_run_time, for_types


def circles(graph: Graph) -> list[list[str]]:
    """The groups of nodes that reach each other, sorted."""
    reached = {node: _reachable(graph, node) for node in graph}
    groups = {
        tuple(sorted(other for other in reached[node] if node in reached.get(other, ()))) for node in graph if node in reached[node]
    }
    return [list(group) for group in sorted(groups)]


def mutual_folders(graph: Graph, folders: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs of folders that import each other, by the folder of each module. Each belongs to the folders around it as well, up to
    the one that holds both."""
    between = {pair for module, names in graph.items() for name in names if (pair := _side_by_side(folders[module], folders[name]))}
    return sorted((one, other) for one, other in between if one < other and (other, one) in between)


def docstrings(path: str, source: str) -> list[Text]:
    """Of the module, its classes and functions, and the strings that stand alone below an assignment."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    return [
        Text(path, node.value.lineno, node.value.value)
        for node in nodes
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]


def comments(path: str, source: str) -> list[Text]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [Text(path, token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


def sentences(docstring: str) -> list[str]:
    """The sentences of a docstring, without indented code; an item of a list is a sentence of its own.

    >>> sentences("It reads. Then it\\n    writes, once.")
    ['It reads.', 'Then it writes, once.']
    """
    first, _, rest = docstring.partition("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest.split("\n") if line.strip()), default=0)
    lines = [first, *(line[margin:] for line in rest.split("\n"))]
    prose = "\n".join("" if line.startswith(_CODE_INDENT) else line for line in lines)
    found = [" ".join(part.split()) for block in _APART.split(prose) for part in _SENTENCE_END.split(block)]
    return [sentence for sentence in found if sentence]


def longest_sentences(texts: list[Text]) -> list[tuple[int, Text]]:
    """(words, the sentence with the place of its docstring), longest first."""
    counted = [(len(sentence.split()), Text(text.path, text.line, sentence)) for text in texts for sentence in sentences(text.text)]
    return sorted(counted, key=lambda pair: (-pair[0], pair[1].path, pair[1].line))


def lines_with_tell(texts: Iterable[str]) -> int:
    """Number of lines with a form of "tell", also as a part of a name: it stood for show, pass on, distinguish and give."""
    return sum(bool(_TELL.search(line)) for text in texts for line in text.split("\n"))


def _is_read(name: str) -> bool:
    return name.endswith((".py", ".md"))


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _imported(node: ast.AST, package: str, modules: Container[str]) -> Iterator[str]:
    """The modules that an import statement names. `from a import b` names `a.b` where that is a module, else `a`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)
    elif isinstance(node, ast.ImportFrom):
        above = package.rsplit(".", node.level - 1)[0] if node.level else ""
        base = ".".join(filter(None, (above, node.module)))
        for alias in node.names:
            yield from [name for name in (f"{base}.{alias.name}", base) if name in modules][:1]


def _side_by_side(one: str, other: str) -> tuple[str, str] | None:
    """The folders around both that lie in one folder; None where one of the two lies in the other."""
    parts, others = one.split("/"), other.split("/")
    for depth, (part, its) in enumerate(zip(parts, others, strict=False), 1):
        if part != its:
            return "/".join(parts[:depth]), "/".join(others[:depth])
    return None


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [*graph.get(start, ())]
    while waiting:
        if (node := waiting.pop()) not in seen:
            seen.add(node)
            waiting.extend(graph.get(node, ()))
    return seen


def main() -> int:
    """Prints the figures; 1 where git knows no such revision."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench tree")
    parser.add_argument("revision", nargs="?", help="a commit; the working tree without it")
    revision = parser.parse_args().revision
    try:
        files = read_revision(ROOT, revision) if revision else read_working_tree(ROOT)
    except subprocess.CalledProcessError as error:
        print(error.stderr.decode().strip(), file=sys.stderr)
        return 1

    code = {path: text for path, text in files.items() if path.endswith(".py")}
    own = {path: text for path, text in code.items() if path.split("/")[0] in PACKAGES}
    tests = {path: text for path, text in code.items() if path not in own}
    docs = {path: docstrings(path, text) for path, text in code.items()}
    words = [text.text for path, source in code.items() for text in [*docs[path], *comments(path, source)]]
    longest = longest_sentences([text for path in own for text in docs[path]])
    longest_of_tests = longest_sentences([text for path in tests for text in docs[path]])
    at_run_time, for_types = import_graphs(files)
    all_imports = {module: at_run_time[module] | for_types[module] for module in at_run_time}
    folders = {_module(path): str(PurePosixPath(path).parent) for path in own}

    print(f"{revision or 'working tree'}: {len(own)} Python files in {', '.join(PACKAGES)}; {len(code)} with tests")
    for group in (own, tests):
        for folder, number in files_per_folder([*group]).most_common(3):
            print(f"{number:6} files in {folder}")
        lines = Counter({path: text.count("\n") for path, text in group.items()})
        print(f"{statistics.median(lines.values()):6.0f} lines in a file of these (median)")
        for path, number in lines.most_common(3):
            print(f"{number:6} lines in {path}")
    print(f"{len(circles(at_run_time)):6} import circles ({len(circles(all_imports))} with imports for type checkers alone)")
    for circle in circles(at_run_time):
        print(f"       {', '.join(circle)}")
    print(f"{len(pairs := mutual_folders(at_run_time, folders)):6} pairs of folders side by side that import each other")
    for one, other in pairs:
        print(f"       {one}, {other}")
    print(f"{files.get('README.md', '').count(chr(10)):6} lines of README.md")
    print(f"{lines_with_tell(words):6} lines of docstrings and comments with tell, tells, told or telling")
    print(f"{lines_with_tell(code.values()):6} lines of Python files with it")
    print(f"{longest[0][0]:6} words in the longest docstring sentence ({longest_of_tests[0][0]} in tests)")
    for num_words, sentence in longest[:NUM_LONGEST]:
        print(f"{num_words:6} {sentence.path}:{sentence.line}  {sentence.text}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` takes what it wants
    sys.exit(main())
