"""Where the report shows a page: it notes so itself, in a file beside its first page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter

from pipeline.object_store.store import Store
from schemas.errors import OperatorError

_NAME = "links.json"
_FILES = TypeAdapter(dict[str, list[tuple[int, str]]])


class ReportLinks:
    def __init__(self, files: Mapping[str, Sequence[tuple[int, str]]]) -> None:
        """`files`: of each uri the first page and the path of each of its files, in order of pages."""
        self._files = files

    def write(self, store: Store) -> None:
        store.put(_NAME, json.dumps(self._files).encode())

    def of(self, uri: str, page_index: int | None = None, block_index: int | None = None) -> str | None:
        """Relative to the report's first page. Without a page: the document's first file. None for a document that is not in it."""
        files = self._files.get(uri)
        if not files:
            return None
        if page_index is None:
            return quote(files[0][1])
        path = [path for first, path in files if first <= page_index][-1:] or [files[0][1]]
        anchor = f"page-{page_index + 1}" if block_index is None else f"p{page_index}-b{block_index}"
        return f"{quote(path[0])}#{anchor}"


def read_links(report: str) -> ReportLinks:
    """Raises OperatorError where there is no report."""
    try:
        return ReportLinks(_FILES.validate_json(Path(report, _NAME).read_bytes()))
    except (OSError, ValueError):
        raise OperatorError(f"There is no report in {report}: `pagefold report` writes one.") from None
