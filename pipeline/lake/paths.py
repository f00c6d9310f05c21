"""The names of all objects below the output's root. Query engines skip names that start with `_`."""

import contextlib
import math
import re
from datetime import date
from secrets import token_hex
from typing import NamedTuple

PLANS = "_pagefold/plans/"
STAGING = "_pagefold/staging/"
BEGINS = "_pagefold/begins/"
MANIFESTS = "_pagefold/manifests/"
PROBES = "_pagefold/probe-"
SNAPSHOTS = "_pagefold/snapshots/"
REWRITES = "_pagefold/rewrites/"
RUNS = "runs/"

_REWRITTEN = "optimized-"
_PLAN_ID = r"(\d{6}(?:\.[0-9a-f]{8})?)"
"""A plan's number and its random digits: see `schemas.plan.Plan.plan_id`."""
_MANIFEST = re.compile(
    rf"_pagefold/manifests/(\d{{4}}-\d\d-\d\d)/{_PLAN_ID}-(\d{{5}}|abandoned|deletions)(?:\.part-(\d{{5}}))?\.json"
)
_PLAN = re.compile(r"_pagefold/plans/(\d{6})\.json")
_PLAN_SOURCES = re.compile(rf"_pagefold/plans/{_PLAN_ID}\.sources\.jsonl\.zst")
_CHUNK = re.compile(r"(\d{5})\.(\d{5})-(\d{5})\.of-(\d{5})")
_STAGED = re.compile(
    rf"_pagefold/staging/{_PLAN_ID}/(\d{{5}})/(?:\d{{5}}\.\d{{5}}-\d{{5}}\.of-\d{{5}}\.arrow|cover(?:\.part-\d{{5}})?\.json)"
)
_BEGIN = re.compile(rf"_pagefold/begins/{_PLAN_ID}/(\d{{5}})/[^/]+\.\d+")
_SNAPSHOT = re.compile(r"_pagefold/snapshots/\d{4}-\d\d-\d\d\.[0-9a-f]{32}\.json\.zst")
_REWRITE = re.compile(r"_pagefold/rewrites/(\d{6})(\.plan)?\.json")
_TABLE_FILE = re.compile(rf"\w+/ingest_date=\d{{4}}-\d\d-\d\d/{_PLAN_ID}-(\d{{5}})(?:\.part-(\d{{5}}))?\.parquet")


class ManifestName(NamedTuple):
    ingest_date: str
    plan_id: str
    shard_index: int | None
    """None in the manifest that abandons the plan; DELETIONS in that of what the plan found to be gone."""
    part: int | None = None
    """Number of the part, in a shard that is committed in parts; None for the whole shard, and for its last part."""

    @property
    def order(self) -> tuple[str, int, float]:
        """Sort key: by plan, then shard, then part. Later commits win over earlier ones."""
        return self.plan_id, -1 if self.shard_index is None else self.shard_index, math.inf if self.part is None else self.part

    @property
    def shard(self) -> tuple[str, int | None]:
        return self.plan_id, self.shard_index


DELETIONS = -1
"""Stands in place of a shard's index."""


class ChunkName(NamedTuple):
    """The parts of a staged chunk's name. `first` and `last` are positions among the document's selected pages."""

    source_index: int
    first: int
    last: int
    num_selected: int

    @classmethod
    def parse(cls, text: str) -> "ChunkName":
        """Raises ValueError if the text is no name of a chunk."""
        match = _CHUNK.fullmatch(text)
        if match is None:
            raise ValueError(f"not the name of a chunk: {text}")
        return cls(*(int(group) for group in match.groups()))

    def __str__(self) -> str:
        return f"{self.source_index:05d}.{self.first:05d}-{self.last:05d}.of-{self.num_selected:05d}"

    @property
    def num_pages(self) -> int:
        return self.last - self.first + 1 if self.num_selected else 0


def plan_number(plan_id: str) -> str:
    """The first six digits of a plan_id. They name the plan's file, so that no two plans have the same number."""
    return plan_id[:6]


def plan_path(plan_id: str) -> str:
    """The path of a plan's file, by plan_id or by its number alone."""
    return f"{PLANS}{plan_number(plan_id)}.json"


def plan_sources_path(plan_id: str) -> str:
    """The path of a plan's sources, which is written before the plan's own file and carries the whole id."""
    return f"{PLANS}{plan_id}.sources.jsonl.zst"


def plan_of_sources(path: str) -> str | None:
    """The plan_id of a path of sources; None for anything else."""
    match = _PLAN_SOURCES.fullmatch(path)
    return match and match[1]


def plan_number_of(path: str) -> str | None:
    match = _PLAN.fullmatch(path)
    return match and match[1]


def next_plan_id(last: str | None) -> str:
    """The number after that of `last`, and eight random hex digits. A lake that was removed and made again counts from 1 again; the
    digits keep what a dead run's worker still writes apart from the new plan."""
    return f"{int(plan_number(last or '0')) + 1:06d}.{token_hex(4)}"


def manifest_path(ingest_date: date, plan_id: str, shard_index: int | None, part: int | None = None) -> str:
    """The path of a manifest. shard_index None is the manifest that abandons the plan, DELETIONS that of its disappearances."""
    shard = {None: "abandoned", DELETIONS: "deletions"}.get(shard_index) or f"{shard_index:05d}"
    return f"{MANIFESTS}{ingest_date.isoformat()}/{plan_id}-{shard}{_part(part)}.json"


def plan_manifests_prefix(ingest_date: date, plan_id: str) -> str:
    """The prefix of all manifests of a plan."""
    return f"{MANIFESTS}{ingest_date.isoformat()}/{plan_id}-"


def shard_manifests_prefix(ingest_date: date, plan_id: str, shard_index: int) -> str:
    """The prefix of the manifests of one shard and its parts."""
    return f"{plan_manifests_prefix(ingest_date, plan_id)}{shard_index:05d}"


def _part(part: int | None) -> str:
    return "" if part is None else f".part-{part:05d}"


def manifest_name(path: str) -> ManifestName | None:
    match = _MANIFEST.fullmatch(path)
    if match is None:
        return None
    named: dict[str, int | None] = {"abandoned": None, "deletions": DELETIONS}
    shard_index = named[match[3]] if match[3] in named else int(match[3])
    return ManifestName(match[1], match[2], shard_index, None if match[4] is None else int(match[4]))


def snapshot_path(ingest_date: str, digest: str) -> str:
    """The path of a snapshot. `digest` is that of the manifests' names, so a date whose manifests have changed has no snapshot."""
    return f"{SNAPSHOTS}{ingest_date}.{digest}.json.zst"


def staging_prefix(plan_id: str, shard_index: int) -> str:
    return f"{STAGING}{plan_id}/{shard_index:05d}/"


def staged_path(plan_id: str, shard_index: int, chunk: str) -> str:
    return f"{staging_prefix(plan_id, shard_index)}{chunk}.arrow"


def cover_path(plan_id: str, shard_index: int, number: int = 0) -> str:
    """The path of a cover, the list of staged chunks that a part of a shard is made of. `number` counts the parts from 0."""
    return f"{staging_prefix(plan_id, shard_index)}cover{_part(number or None)}.json"


def is_cover(path: str) -> bool:
    return path.rpartition("/")[2].startswith("cover")


def chunk_name(path: str) -> ChunkName | None:
    """The chunk that a staged object's path (or bare name) names; None for anything else."""
    with contextlib.suppress(ValueError):
        return ChunkName.parse(path.rpartition("/")[2].removesuffix(".arrow"))
    return None


def begin_path(plan_id: str, shard_index: int, name: str, run_id: str, number: int) -> str:
    return f"{BEGINS}{plan_id}/{shard_index:05d}/{name}.{run_id}.{number}"


def begins_prefix(plan_id: str, shard_index: int) -> str:
    return f"{BEGINS}{plan_id}/{shard_index:05d}/"


def staged_shard(path: str) -> tuple[str, int] | None:
    """(plan_id, shard_index) of a staged chunk or a cover; None for anything else."""
    return _shard(_STAGED.fullmatch(path))


def begun_shard(path: str) -> tuple[str, int] | None:
    return _shard(_BEGIN.fullmatch(path))


def is_snapshot(path: str) -> bool:
    return _SNAPSHOT.fullmatch(path) is not None


def table_part(path: str) -> tuple[str, int, int | None] | None:
    """(plan_id, shard_index, part) of a table's file; None for anything else."""
    match = _TABLE_FILE.fullmatch(path)
    return match and (match[1], int(match[2]), None if match[3] is None else int(match[3]))


def _shard(match: re.Match[str] | None) -> tuple[str, int] | None:
    return match and (match[1], int(match[2]))


def table_prefix(table: str, ingest_date: str, plan_id: str) -> str:
    """The prefix of the files that a plan has in a table."""
    return f"{table}/ingest_date={ingest_date}/{plan_id}-"


def table_path(table: str, ingest_date: date, plan_id: str, shard_index: int, part: int | None = None) -> str:
    shard = "deletions" if shard_index == DELETIONS else f"{shard_index:05d}"
    return f"{table}/ingest_date={ingest_date.isoformat()}/{plan_id}-{shard}{_part(part)}.parquet"


def rewrite_state_path(number: int) -> str:
    """The path of the state whose last rewrite has this number."""
    return f"{REWRITES}{number:06d}.json"


def rewrite_plan_path(number: int) -> str:
    return f"{REWRITES}{number:06d}.plan.json"


def rewrite_number(path: str) -> tuple[int, bool] | None:
    """(number, is a plan) of a rewrite's state or plan; None for anything else."""
    match = _REWRITE.fullmatch(path)
    return match and (int(match[1]), match[2] is not None)


def rewritten_name(number: int, *, is_repeated: bool) -> str:
    """The name of a file of a rewrite, without table, date and suffix."""
    return f"{_REWRITTEN}{number:06d}-{int(is_repeated):05d}"


def is_rewritten(name: str) -> bool:
    """True for the name of a file that `pagefold optimize` wrote."""
    return name.startswith(_REWRITTEN)


def file_name(path: str) -> str:
    """The name of a table's file without table, date and suffix; a shard's files share it."""
    return path.rpartition("/")[2].removesuffix(".parquet")


def committed_name(name: ManifestName) -> str:
    """The name of the files that a shard's manifest, or that of deletions, commits."""
    shard = "deletions" if name.shard_index == DELETIONS else f"{name.shard_index or 0:05d}"
    return f"{name.plan_id}-{shard}{_part(name.part)}"


def day_prefix(table: str, ingest_date: date) -> str:
    """The prefix of all files of a table's date."""
    return f"{table}/ingest_date={ingest_date.isoformat()}/"


def run_path(run_id: str) -> str:
    return f"{RUNS}{run_id}.parquet"
