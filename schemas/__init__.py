"""What flows and what lands: settings, nouns, answers and tables. Imports pydantic and pyarrow only."""

SCHEMA_VERSION = 1
"""Version of the tables and of the answer shapes; in every file's metadata and in every recipe. Columns are only ever added."""
