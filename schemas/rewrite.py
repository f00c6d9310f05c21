"""What `pagefold optimize` keeps in the output: plans say which files it joins, states say which files stand in their place."""

from datetime import date, datetime

from schemas.frozen import Frozen
from schemas.plan import CommittedFile


class RewritePlan(Frozen):
    """The files of one date that are joined. It is written before any of the new files, so that an optimize that was killed goes on
    with the same files, and writes the same bytes."""

    number: int
    """Counts up over the output's life; it names the new files."""
    ingest_date: date
    names: list[str]
    """Names of the files to be joined, without table, date and suffix, in the order of their commits."""
    repeated: list[str]
    """source_id of the sources among them whose document was read more than once. Their rows get a file of their own, so that
    views take the rows of the other file as they lie."""
    compression_level: int
    row_group_rows: int


class Rewrite(Frozen):
    """Files that were joined into new ones."""

    number: int
    ingest_date: date
    made_at: datetime
    """By the store's clock; `pagefold gc` removes the replaced files some time after it."""
    replaced: list[str]
    """Names of all files whose rows are in the new ones now, those of earlier rewrites among them."""
    files: list[CommittedFile]


class RewriteState(Frozen):
    """All rewrites that stand. The newest state is the commit of its last rewrite; no other is ever read."""

    rewrites: list[Rewrite] = []

    @property
    def number(self) -> int:
        return max((rewrite.number for rewrite in self.rewrites), default=0)

    @property
    def replaced(self) -> set[str]:
        """Names of files that readers leave out."""
        return {name for rewrite in self.rewrites for name in rewrite.replaced}

    @property
    def standing(self) -> set[str]:
        """Names of files that optimize wrote and that count."""
        return {file.path.rpartition("/")[2].removesuffix(".parquet") for rewrite in self.rewrites for file in rewrite.files}
