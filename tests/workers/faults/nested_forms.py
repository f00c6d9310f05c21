"""A small PDF whose every page takes for ever: forms that draw forms, each the next one twice."""

from pathlib import Path

_DEPTH = 24


def make_nested_forms(path: Path, num_pages: int) -> None:
    """2^24 draws on each of the pages, which share one content."""
    first_form, first_page = 4, 4 + _DEPTH
    kids = " ".join(f"{first_page + number} 0 R" for number in range(num_pages))
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {num_pages}/MediaBox[0 0 300 300]/Resources<</XObject<</F {first_form} 0 R>>>>>>",
        _stream("", "/F Do"),
        *(_stream(_form(f"/Resources<</XObject<</F {first_form + level} 0 R>>>>"), "/F Do /F Do") for level in range(1, _DEPTH)),
        _stream(_form(""), "0 0 200 200 re f"),
        *("<</Type/Page/Parent 2 0 R/Contents 3 0 R>>" for _ in range(num_pages)),
    ]
    file, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(file))
        file += f"{number} 0 obj{body}endobj\n".encode()
    rows = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(bodies) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{rows}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(file)}\n%%EOF"
    path.write_bytes(file + end.encode())


def _form(resources: str) -> str:
    return f"/Type/XObject/Subtype/Form/BBox[0 0 300 300]{resources}"


def _stream(entries: str, content: str) -> str:
    return f"<<{entries}/Length {len(content)}>>stream\n{content}\nendstream "
