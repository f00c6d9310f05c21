"""Finds a checkpoint's files in a folder, in a bucket, or on the hub."""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

from workers.engines.ovis.checkpoint.bucket import fetch_checkpoint
from workers.engines.ovis.checkpoint.files import SMALL_FILES, WEIGHT_FILES, CheckpointError, first_line


def locate(model: str, revision: str | None = None, *, cache_dir: Path | None = None, weights: bool = True) -> Path:
    """The folder with the checkpoint's files, which are fetched if necessary.

    A folder is used as it is. `s3://bucket/prefix` is fetched once per node into `cache_dir`. Anything else is a hub id, kept in
    the hub's own cache; offline (HF_HUB_OFFLINE=1) it must be there already. Raises CheckpointError.
    """
    if model.startswith("s3://"):
        return fetch_checkpoint(model, cache_dir or _default_cache(), weights=weights)
    if Path(model).expanduser().is_dir():
        return Path(model).expanduser()
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise CheckpointError(f"There is no folder {model}, and it is no hub id (owner/name) either.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    fetch = partial(snapshot_download, model, revision=revision, allow_patterns=[*SMALL_FILES, *(WEIGHT_FILES if weights else ())])
    try:
        return Path(fetch())
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        with suppress(HfHubHTTPError, LocalEntryNotFoundError, OSError):  # not every version falls back to its cache
            return Path(fetch(local_files_only=True))
        raise CheckpointError(
            f"{model} (revision {revision or 'main'}) cannot be fetched from the hub: {first_line(error)}"
        ) from error


def _default_cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "pagefold" / "models"
