"""The tables and views as a dbt `sources.yml`, each column with its type and description from the data dictionary.

It names what `pagefold sql` makes, in the schema where these statements were run. Texts are written as JSON, which YAML contains.
"""

import json
from typing import Any

from pipeline.analytics.view_columns import dictionary

_NAME = "pagefold"
_VERBATIM = "Rows as they were written, older answers among them; the view of the same name with current_ has the newest good one."


def render_sources(location: str) -> str:
    lines = ["version: 2", "", "sources:", f"  - name: {_NAME}"]
    lines += [f"    description: {json.dumps(f'What pagefold read into {location}.', ensure_ascii=False)}", "    tables:"]
    for entry in dictionary():
        lines += _table(entry)
    return "\n".join(lines) + "\n"


def _table(entry: dict[str, Any]) -> list[str]:
    lines = [f"      - name: {entry['table']}", f"        description: {json.dumps(entry.get('description', _VERBATIM))}"]
    lines.append("        columns:")
    for column in entry["columns"]:
        lines.append(f"          - name: {column['name']}")
        lines.append(f"            data_type: {json.dumps(column['type'])}")
        lines.append(f"            description: {json.dumps(column['description'], ensure_ascii=False)}")
    return lines
