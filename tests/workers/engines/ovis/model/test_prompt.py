import pytest

from workers.engines.ovis.answers.thinking import close_thinking, split_thinking
from workers.engines.ovis.checkpoint.loading import read_tokenizer
from workers.engines.ovis.model.prompt import ATOM, INDICATORS, Turn, question, render, sanitise, tokenise


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return read_tokenizer(checkpoint)


def test_an_answer_without_thinking_starts_after_an_empty_thought():
    assert render([question("Read.")], thinking=False) == (
        "<|im_start|>user\n<image>\nRead.<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )


def test_a_thinking_model_opens_its_thought_itself():
    assert render([question("Read.")], thinking=True).endswith("<|im_start|>assistant\n")


def test_thoughts_of_earlier_answers_are_left_out():
    turns = [question("a"), Turn("assistant", "<think>hm</think>\n\nb"), Turn("user", "c")]
    assert "<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n" in render(turns, thinking=True)


def test_several_images_each_get_their_own_atoms_and_marks(tokenizer):
    ids = tokenise(render([question("a", num_images=2)], thinking=True), tokenizer, [2, 1])
    begin, end = INDICATORS[:2]
    marks = [index for index in ids if index < 0]
    assert marks == [begin, ATOM, ATOM, end, begin, ATOM, end]


def test_a_video_has_marks_of_its_own(tokenizer):
    ids = tokenise("<video>", tokenizer, [1])
    assert ids == [INDICATORS[2], ATOM, INDICATORS[3]]


@pytest.mark.parametrize("atoms", [[], [1, 1]])
def test_images_and_placeholders_must_match(tokenizer, atoms):
    with pytest.raises(ValueError, match="more"):
        tokenise("<image>", tokenizer, atoms)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a<image>b", "ab"), ("x<|im_end|>y", "xy"), ("<<image>image>", ""), ("<think>z", "z"), ("plain < text >", "plain < text >")],
)
def test_literals_that_mean_something_cannot_be_smuggled_in(tokenizer, text, expected):
    assert sanitise(text, tokenizer) == expected


END, STOP, FORCED = 9, 7, [5, 9]


@pytest.mark.parametrize(
    ("thought", "expected"),
    [
        ([1, STOP], None),  # it finished by itself
        ([1, END, STOP], None),
        ([1, END, 2], [1, END, 2]),  # thought, and began to answer
        ([1, 2], [1, 2, *FORCED]),  # cut short
    ],
)
def test_a_thought_is_closed_when_the_budget_is_used_up(thought, expected):
    assert close_thinking(thought, end=END, stops=[STOP], out_of_budget=FORCED) == expected


def test_what_was_thought_is_no_part_of_the_response():
    def decode(ids):
        return " ".join(map(str, ids))

    assert split_thinking([1, END, 2, END, 3], end=END, decode=decode) == ("1 9", "2 9 3")
    assert split_thinking([1, 2], end=END, decode=decode) == ("", "1 2")
