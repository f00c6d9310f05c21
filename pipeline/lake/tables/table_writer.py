"""Builds a table's Parquet file in memory, row group by row group, because an exception inside a pyarrow output stream still
publishes a truncated file."""

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.plan import Cover
from schemas.tables import IMAGE, arrow_schema

_MAX_PENDING = 100
"""Chunks' tables that may wait for their row group. More are joined, because each takes some 50 kB however few rows it has."""


_PICTURE_BYTES = 32 << 20
"""Bytes of pictures from which a row group ends, which are the most that a reader of a single picture has to read. Equal pictures
of a row group are stored once, by Parquet's own dictionary, so that every reader still finds each in its row."""


class TableWriter:
    def __init__(self, table: str, cover: Cover, schema: pa.Schema | None = None) -> None:
        """`schema`: another than today's."""
        self._schema, self._cover = schema or arrow_schema(table), cover
        self._has_pictures = any(field.type == IMAGE for field in self._schema)
        self._num_bytes = 0
        self._sink = pa.BufferOutputStream()
        self._writer: pq.ParquetWriter | None = None
        self._joined: list[pa.Table] = []
        self._pending: list[pa.Table] = []
        self._num_pending = 0
        """Number of rows in `_joined` and `_pending`."""
        self.num_rows = 0

    def add(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        self.num_rows += rows.num_rows
        self._num_pending += rows.num_rows
        self._pending.append(rows)
        self._num_bytes += rows.nbytes if self._has_pictures else 0
        if self._num_pending >= self._cover.row_group_rows or self._num_bytes >= _PICTURE_BYTES:
            self._flush()
        elif len(self._pending) >= _MAX_PENDING:
            self._joined.append(pa.concat_tables(self._pending).combine_chunks())
            self._pending = []

    def finish(self) -> bytes | None:
        """The file's bytes; None if there is no row."""
        if not self.num_rows:
            return None
        self._flush()
        assert self._writer is not None
        self._writer.close()
        return self._sink.getvalue().to_pybytes()

    def _flush(self) -> None:
        if not self._num_pending:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._sink,
                self._schema,
                compression="zstd",
                compression_level=self._cover.compression_level,
                write_statistics=True,
                store_schema=True,
                dictionary_pagesize_limit=2 * _PICTURE_BYTES if self._has_pictures else None,
            )
        rows = pa.concat_tables(self._joined + self._pending)
        self._writer.write_table(rows, row_group_size=self._cover.row_group_rows)
        self._joined, self._pending, self._num_pending, self._num_bytes = [], [], 0, 0
