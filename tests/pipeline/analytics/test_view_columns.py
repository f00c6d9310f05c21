"""The dictionary has every view and every column of theirs, with a description."""

import pytest

from pipeline.analytics.quick_views import view_texts
from pipeline.analytics.view_columns import DESCRIBED_VIEWS, dictionary, view_columns
from schemas.errors import OperatorError
from schemas.tables import COLUMNS


@pytest.mark.slow
def test_every_view_is_described():
    assert DESCRIBED_VIEWS.keys() == view_texts().keys() == view_columns().keys()


@pytest.mark.parametrize("view", DESCRIBED_VIEWS)
@pytest.mark.slow
def test_every_column_of_a_view_is_described_and_no_description_is_of_none(view):
    columns = view_columns()[view]
    assert all(column.description for column in columns)
    assert DESCRIBED_VIEWS[view].own.keys() <= {column.name for column in columns}
    assert {"name", "uri"} <= {column.name for column in columns}


def test_the_dictionary_has_tables_and_views():
    entries = {entry["table"]: entry for entry in dictionary()}
    assert list(entries) == [*COLUMNS, *DESCRIBED_VIEWS]
    assert entries["current_pages"]["columns"][:-1] == entries["pages"]["columns"]
    assert [column["name"] for column in dictionary("page_versions")[0]["columns"]][:5] == [
        "uri",
        "name",
        "version",
        "page_index",
        "change",
    ]
    with pytest.raises(OperatorError, match=r"there are documents.*page_versions"):
        dictionary("pages_to_review")
