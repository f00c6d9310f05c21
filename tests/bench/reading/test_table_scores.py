from collections import Counter

from tests.bench.reading.table_scores import relations_of_tables, score


def test_a_relation_passes_over_blank_cells_and_a_spanned_cell_has_several_neighbours() -> None:
    found = relations_of_tables([[["Year", None], ["a", ""], ["b", "2 %"]]])

    assert found == Counter(
        {("YEAR", "A", "below"): 1, ("A", "B", "below"): 1, ("B", "2_", "right"): 1, ("YEAR", "2_", "below"): 1}
    )


def test_a_false_table_costs_precision_and_a_missed_one_recall() -> None:
    true = relations_of_tables([[["a", "b"]]])

    assert score(true, true).f == 1
    assert score(relations_of_tables([[["a", "b"]], [["x", "y"]]]), true).f == 2 / 3
    assert score(Counter(), true).f == 0
