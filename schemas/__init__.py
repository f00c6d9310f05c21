"""The types that flow between stages and land in tables: settings, pages, answers, records. It imports pydantic and pyarrow
only."""

SCHEMA_VERSION = 1
"""Version of the tables and of the answer shapes, part of every file's metadata and of every recipe. Columns are only ever
added."""
