"""Style and script of the report's pages, and the policy that lets nothing else run."""

import base64
import hashlib
import html
from importlib.resources import files

STYLE = files("pipeline.report").joinpath("report.css").read_text("utf-8").strip()
SCRIPT = files("pipeline.report").joinpath("report.js").read_text("utf-8").strip()


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def scrolling(name: str, table: str) -> str:
    """A part that scrolls by itself where it is too wide, also by the keyboard, which has to reach it for that."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(name)}">{table}</div>'


def document(title: str, body: str, *, has_script: bool = False) -> str:
    """A whole page: nothing is loaded from elsewhere, and only `SCRIPT` runs."""
    policy = (
        f"default-src 'none'; img-src 'self' file: data:; style-src 'sha256-{_hash(STYLE)}'; script-src 'sha256-{_hash(SCRIPT)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    script = f"<script>{SCRIPT}</script>\n" if has_script else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n{script}</body>\n</html>\n"
    )
