import json

import pytest

from workers.answers.latex import mend_latex


@pytest.mark.parametrize(
    "latex",
    [
        r"\frac{a}{b}", r"\beta", r"\begin{matrix} x \end{matrix}", r"\forall x", r"a \times b", r"\theta", r"\text{if}",
        r"\textbf{x}",
        r"x \neq y", r"\nabla f", r"x \notin A", r"\rho", r"\right)", r"\rangle", r"\rightarrow", r"\tfrac12", r"\triangle ABC",
        r"\bar{x} \times \frac{1}{2} \neq \rho",
    ],
)  # fmt: skip
def test_a_command_that_json_swallowed_is_restored_in_a_formula(latex):
    swallowed = json.loads(f'"{latex}"'.replace(r"\e", r"\\e"))
    assert swallowed != latex

    assert mend_latex(swallowed, is_formula=True) == (latex, True, False)
    assert mend_latex(f"so ${swallowed}$ holds") == (f"so ${latex}$ holds", True, False)


@pytest.mark.parametrize("text", ["x\nu", "a\tau", "x\ne y", "a\to b"])
def test_what_may_be_a_variable_is_left_and_flagged(text):
    assert mend_latex(text, is_formula=True) == (text, False, True)


@pytest.mark.parametrize(
    "text",
    [
        "one\nequals one",
        "first line\nunder it",
        "a\tantelope",
        "cell\ttext",
        "x = 1\ny = 2",
        "plain",
        "to\nnot be",
        r"\frac{a}{b} \\ \neq",
        "line\nexists",
        "title\nnegative",
    ],
)
def test_honest_line_breaks_and_tabs_stay(text):
    assert mend_latex(text) == (text, False, False)


@pytest.mark.parametrize(("text", "mended"), [("\beta", r"\beta"), ("the\frac12", r"the\frac12"), ("3 \times 4", r"3 \times 4")])
def test_what_can_only_be_latex_is_restored_outside_formulas_too(text, mended):
    assert mend_latex(text) == (mended, True, False)
