"""With drafts, good, bad or malicious, each request says token for token what it says alone. float32 on the CPU."""

import random

import pytest

from tests.workers.engines.ovis.batching.world import mixed, run
from workers.engines.ovis.batching.drafting import Drafting
from workers.engines.ovis.batching.sequence import Sampling
from workers.engines.ovis.drafts.depth import StepCost
from workers.engines.ovis.drafts.drafter import FirstOf
from workers.engines.ovis.drafts.own_text import OwnText

pytestmark = pytest.mark.slow

FREE = StepCost(1.0, 0.0001)
"""A device on which drafts cost next to nothing."""


class Knowing:
    """Knows the answer; a share of its tokens is wrong. At the end it goes on with `behind`."""

    def __init__(self, answer, wrong=0.0, behind=(), seed=0):
        self.answer, self.wrong, self.behind, self.random = answer, wrong, list(behind), random.Random(seed)

    def propose(self, answer, most):
        told = [*self.answer, *self.behind][len(answer) : len(answer) + most]
        return [(token + 1) % 400 if self.random.random() < self.wrong else token for token in told]


class Nonsense:
    """Tokens of any kind: ends of the answer, marks of images, what no grammar allows."""

    def __init__(self, seed, stops, vocab_size):
        self.random, self.stops, self.vocab_size = random.Random(seed), list(stops), vocab_size

    def propose(self, answer, most):
        tokens = [self.random.randrange(self.vocab_size) for _ in range(most)]
        if self.random.random() < 0.3:
            tokens[self.random.randrange(most)] = self.stops[0]
        return tokens


class Failing:
    def propose(self, answer, most):
        raise RuntimeError("no idea")


@pytest.fixture(scope="module")
def said_alone(world):
    """What the 32 mixed requests say without drafts, which `test_scheduler` holds against the reference's logits."""
    requests = mixed(world, 32)
    run(world.scheduler(num_blocks=400, max_batch=12), [(0, sequence) for _, sequence in requests])
    return [sequence.new_tokens for _, sequence in requests]


def drafter_of(index, answer, world):
    stop = next(iter(world.stops))
    match index % 6:
        case 0:
            return Knowing(answer)
        case 1:
            return Knowing(answer, wrong=0.1, seed=index)
        case 2:
            return Knowing(answer, wrong=0.5, behind=[stop, 1, 2, 3], seed=index)
        case 3:
            return Knowing(answer[: len(answer) // 2], behind=[stop, *range(20)])
        case 4:
            return Nonsense(index, world.stops, world.reference.config.llm_config.vocab_size)
    return FirstOf(Failing(), OwnText())


@pytest.mark.parametrize("is_ahead", [False, True])
def test_32_mixed_requests_say_with_any_drafts_what_each_says_alone(world, said_alone, is_ahead):
    # given a cache too small for what runs together, arrivals over time, cancellations, and drafters of every kind
    requests = mixed(world, 32)
    cancelled = [world.request(2000 + index, num_text=120, num_new=200) for index in range(3)]
    for index, (_, sequence) in enumerate(requests):
        sequence.drafter = drafter_of(index, said_alone[index], world)
    for index, sequence in enumerate(cancelled):
        sequence.drafter = OwnText() if index else Nonsense(7, world.stops, 400)
    scheduler = world.scheduler(num_blocks=120, max_batch=12, is_ahead=is_ahead, drafting=Drafting(FREE))
    everyone = [sequence for _, sequence in requests]
    everyone[20:20] = cancelled
    finished = []
    for sequence in everyone:
        sequence.done = finished.append

    def at_turn(turn):
        for sequence in cancelled:
            sequence.is_cancelled = sequence.is_cancelled or sequence.num_new > 20

    run(scheduler, [(2 * index, sequence) for index, sequence in enumerate(everyone)], at_turn)

    assert len(finished) == len(set(map(id, finished))) == 35
    assert all(sequence.end == "cancelled" for sequence in cancelled)
    assert scheduler.statistics.num_preemptions > 0
    assert scheduler.pool.num_available == 120
    for (_, sequence), alone in zip(requests, said_alone, strict=True):
        assert sequence.new_tokens == alone
        assert len(sequence.logprobs) == sequence.num_new
        assert sequence.end == ("length" if sequence.num_new == sequence.max_new_tokens else "stop")
    # and the good drafts have saved steps
    knowing = [sequence for _, sequence in requests[::6]]
    assert all(sequence.num_accepted == sequence.num_drafted > sequence.num_new / 2 for sequence in knowing)
    assert scheduler.statistics.num_accepted > 1000


def pair(world, *, drafter=None, is_ahead=False, drafting=None, **given):
    """A request beside another without a draft; a function that makes its drafter gets the answer without drafts."""
    given = {"num_text": 50, "num_new": 60} | given
    without, beside = world.request(1, **given), world.request(2, num_text=70, num_new=60)
    run(world.scheduler(is_ahead=is_ahead), [(0, without), (0, beside)])
    with_drafts, again = world.request(1, **given), world.request(2, num_text=70, num_new=60)
    with_drafts.drafter = drafter(without.new_tokens)
    scheduler = world.scheduler(is_ahead=is_ahead, drafting=drafting or Drafting(FREE))
    run(scheduler, [(0, with_drafts), (0, again)])
    assert again.new_tokens == beside.new_tokens
    return without, with_drafts, scheduler


@pytest.mark.parametrize("is_ahead", [False, True])
def test_a_draft_beyond_the_length_limit_is_cut(world, is_ahead):
    without, with_drafts, _ = pair(world, drafter=lambda answer: Knowing(answer, behind=range(50)), is_ahead=is_ahead)
    assert with_drafts.new_tokens == without.new_tokens
    assert (with_drafts.end, with_drafts.num_new) == ("length", 60)
    assert with_drafts.num_accepted == with_drafts.num_drafted >= 40


@pytest.mark.parametrize("is_ahead", [False, True])
@pytest.mark.parametrize("wrong", [0.0, 0.3])
def test_a_sampled_answer_draws_the_same_numbers_along_a_draft(world, is_ahead, wrong):
    hot = Sampling(temperature=1.0, top_p=0.9, top_k=30, seed=11)
    without, with_drafts, _ = pair(
        world, drafter=lambda answer: Knowing(answer, wrong=wrong), is_ahead=is_ahead, sampling=hot, has_grammar=True
    )
    assert with_drafts.new_tokens == without.new_tokens
    assert with_drafts.num_accepted > 10


def test_a_request_with_a_repetition_penalty_checks_no_drafts(world):
    without, with_drafts, _ = pair(world, drafter=Knowing, sampling=Sampling(repetition_penalty=1.3))
    assert with_drafts.new_tokens == without.new_tokens
    assert with_drafts.num_drafted == 0


def test_what_the_grammar_refuses_is_not_even_checked(world):
    # given drafts that are right but for a token that no JSON has here
    class Breaking(Knowing):
        def propose(self, answer, most):
            return [*super().propose(answer, most)[:2], *line_end]

    line_end = world.tokenizer.encode("\n", add_special_tokens=False)  # JSON has it in no place
    without, with_drafts, _ = pair(world, drafter=Breaking, has_grammar=True)
    assert with_drafts.new_tokens == without.new_tokens
    assert with_drafts.num_accepted == with_drafts.num_drafted >= with_drafts.num_new / 2


def test_worthless_drafts_are_soon_given_up_and_cost_few_tokens(world):
    _, with_drafts, scheduler = pair(
        world, drafter=lambda answer: Nonsense(1, world.stops, 400), drafting=Drafting(StepCost(1.0, 0.3)), num_new=200
    )
    assert with_drafts.num_drafted <= with_drafts.num_new / 4
    assert scheduler.statistics.num_accepted == with_drafts.num_accepted


def test_where_tokens_cost_as_much_as_steps_nothing_is_drafted(world):
    without, with_drafts, _ = pair(world, drafter=Knowing, drafting=Drafting(StepCost(0.0, 1.0)))
    assert with_drafts.new_tokens == without.new_tokens
    assert with_drafts.num_drafted == 0


def test_a_mask_that_cannot_be_filled_along_a_draft_ends_its_own_request_only(world):
    class Broken:
        def __init__(self, grammars):
            self.fill, self.allocate = grammars.fill, grammars.allocate

        def fill_along(self, mask, matchers):
            raise ValueError("this one")

    one, other = (world.request(seed, num_text=50, num_new=30, has_grammar=True) for seed in (1, 2))
    one.drafter = Knowing(world.tokenizer.encode('{"kind": "', add_special_tokens=False))
    scheduler = world.scheduler(drafting=Drafting(FREE))
    scheduler.steps.grammars = Broken(world.grammars)
    run(scheduler, [(0, one), (0, other)])
    assert one.end == "error"
    assert "this one" in one.error
    assert other.new_tokens == world.best_at_each_step(other, has_grammar=True)
