"""Wrong laws and unequal nets: none is proved, and no true law is lost by that (tests/passes/test_rules.py).

All of them: `pytest tests/prove/test_false_laws.py -m slow`.
"""

from __future__ import annotations

import pytest
import torch

from archdsl.prove.equality import compare
from archdsl.prove.prover import prove
from tests.support.false_laws import HIDDEN, PAIRS, Unequal, laws, pairs
from tests.support.pass_nets import Direct

torch.set_num_threads(1)
LAWS, NETS = list(laws()), list(pairs())


def is_proved(law: Unequal, make: type[Direct] | None = None) -> bool:
    promise = "exact" if law.training else "exact-eval"
    return prove(law.before, law.after, law.plan(), promise, make=make).holds  # type: ignore[arg-type]


def is_equal(two: Unequal) -> bool:
    """Whether they pass for one function; of nets that differ in training alone inference may be called the same."""
    words = ("equal",) if two.training else ("equal", "equal-in-inference")
    return compare(two.before, two.after, two.weights).word in words


def test_no_false_law_is_proved() -> None:
    assert len(LAWS) >= 200
    assert [law.name for law in LAWS if is_proved(law, Direct)] == []


def test_a_net_is_proved_to_be_itself_unless_nothing_can_be_seen() -> None:
    """Every fourth of the same nets against itself: what is refused above is refused for what differs."""
    part = [Unequal(law.name, law.before, law.before) for law in LAWS[::4]]
    hard = [law for law in part if not is_proved(law, Direct)]
    assert len(hard) < 4
    assert all(any(word in law.name for word in ("1e1", "1e300", "as tanh", "as relu6")) for law in hard)


def test_no_unequal_nets_pass_for_equal() -> None:
    """A telling part: each way to hide a difference, with one of the differences."""
    assert len(NETS) >= 200
    part = [NETS[len(PAIRS) * number + 3 * number % len(PAIRS)] for number in range(len(HIDDEN))]
    assert [two.name for two in part if is_equal(two)] == []


@pytest.mark.slow
def test_no_false_law_is_proved_by_the_generated_module() -> None:
    assert [law.name for law in LAWS if is_proved(law)] == []


@pytest.mark.slow
def test_no_unequal_nets_pass_for_equal_at_all() -> None:
    assert [two.name for two in NETS if is_equal(two)] == []
