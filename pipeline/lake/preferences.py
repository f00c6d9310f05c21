"""Which recipes' answers the views prefer, where several have read a page or a chart: a ranking that lies in the lake itself, so
that every reader of it follows the same rule. Without one the newest good answer is the current one."""

import re

from pydantic import ValidationError

from pipeline.object_store.store import Store
from schemas.frozen import Frozen

PREFERRED = "_pagefold/preferred_recipes.json"
_ID = re.compile(r"[0-9a-f]{16}")


class _Ranking(Frozen):
    recipe_ids: list[str]


def read_preferred(store: Store) -> tuple[str, ...]:
    """The recipe_ids, the most preferred first; none by default, and of a file that is damaged."""
    try:
        ranking = _Ranking.model_validate_json(store.get(PREFERRED))
    except (FileNotFoundError, ValidationError):
        return ()
    return tuple(recipe_id for recipe_id in ranking.recipe_ids if _ID.fullmatch(recipe_id))  # they become part of SQL


def write_preferred(store: Store, recipe_ids: list[str]) -> None:
    """Another ranking in place of the one before; an empty one is the rule without a ranking."""
    store.put(PREFERRED, _Ranking(recipe_ids=recipe_ids).model_dump_json().encode())
