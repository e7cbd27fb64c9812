"""Predict, then see: blanks, answers computed at check time, the same quiz for the same seed."""

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.learn import quiz


def f(x, y):
    return x * y + x


def truth(q):
    """The answers, by the engine itself."""
    q.output.backward()
    return {b.letter: b.node.value if b.kind == "value" else b.node.gradient for b in q.blanks}


@pytest.mark.parametrize("ask", ["values", "gradients", "both"])
@pytest.mark.parametrize("graph", [None, f])
@pytest.mark.parametrize("seed", [0, "student 7"])
def test_the_engines_answers_are_right_and_others_are_not(graph, seed, ask):
    q = quiz(graph, seed, ask=ask, blanks=4)
    answers = truth(q)
    assert q.check(answers).passed and q.diagnose(answers) is None
    for letter in answers:
        wrong = {**answers, letter: answers[letter] * 3 + 1}
        assert not q.check(wrong).passed and q.diagnose(wrong).code == "wrong-prediction"
        still = {other: answer for other, answer in answers.items() if other != letter}
        assert q.diagnose(still).code == "blank"


def test_the_same_seed_gives_the_same_quiz_and_another_seed_another():
    assert str(quiz(f, "a")) == str(quiz(f, "a")) != str(quiz(f, "b"))
    assert len({str(quiz(seed=i)) for i in range(30)}) == 30


def test_a_random_quiz_asks_for_what_must_be_worked_out():
    for i in range(30):
        q = quiz(seed=i)
        answers = truth(q)
        assert all(float(answer) not in (0.0, 1.0) for answer in answers.values()), str(q)
        users = [node.parents for node in tl.Graph([], [q.output]).nodes]
        assert any(sum(p is blank.node for parents in users for p in parents) > 1 for blank in q.blanks)


def test_blanks_hide_their_numbers_and_nothing_else():
    q = quiz(f, 3, ask="both", blanks=2)
    shown = str(q)
    assert all(f"?{b.letter}" in shown for b in q.blanks)
    assert shown.count("?") == 2 * len(q.blanks)
    assert "?" not in str(q.reveal()) and "<img" in q.reveal()._repr_html_()
    assert "<img" in q._repr_html_() and "?a" in q._repr_html_()


def test_a_node_keeps_its_numbers_and_is_left_as_it_was():
    x = tl.parameter(3.0, "x")
    y = x * x + x
    q = quiz(y, blanks=9)
    assert q.check(a=7.0, b=1.0).passed and x.gradient is None
    assert q.check(a=7.02, b=1).passed  # rounded
    message = str(q.check(a=-7))
    assert "wrong sign" in message and "?b is still open" in message
    assert "used 3 times, and that is what one use sends back" in str(q.check(a=1))
    assert "its value is asked" in str(quiz(y, ask="values", blanks=9).check(a=1.0))
    x = tl.parameter(4.0, "x")
    assert "that is the value of x" in str(quiz(tl.scale(x, factor=2.0)).check(a=4))
    assert quiz(y).check()._repr_html_().startswith("<ul>")


@pytest.mark.parametrize("rows", [1, 2])
def test_what_one_use_sends_back_is_known_where_a_bias_is_repeated_for_each_row(rows):
    x, b = tl.parameter(np.arange(3.0 * rows).reshape(rows, 3), "x"), tl.parameter(np.ones(3), "b")
    once = x + b
    q = quiz(once * b, blanks=9)
    (letter,) = (blank.letter for blank in q.blanks if blank.node is b)
    for share in (np.full(3, float(rows)), once.value.sum(0)):  # of the sum, and of the product
        message = str(q.check({letter: share}))
        assert f"?{letter} is not that: b is used 2 times, and that is what one use sends back" in message


def test_arrays_and_graphs():
    q = quiz(lambda w: w * w, 1, shape=(2,))
    assert "(2,)" in q.blanks[0].question
    w = next(b.node for b in q.blanks)
    assert q.check(a=2 * w.value).passed
    assert "shape" in str(q.check(a=1.0))
    assert "of type str" in str(q.check(a="two"))
    graph = tl.trace(f, np.float64(1.0), np.float64(2.0))
    q = quiz(graph, 2)
    assert q.check(truth(q)).passed


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(ExerciseError, match="ask is one of"):
        quiz(f, ask="everything")
    for blanks in (0, -1, 1.5, True, "2"):
        with pytest.raises(ExerciseError, match="blanks must be"):
            quiz(f, blanks=blanks)
    with pytest.raises(ExerciseError, match="nothing to ask"):
        quiz(tl.parameter(1.0))
    with pytest.raises(ExerciseError, match="nothing to ask"):
        quiz(tl.exp(tl.constant(1.0)))
    with pytest.raises(ExerciseError, match="a node that has a value"):
        quiz(tl.placeholder((), name="x"))
    with pytest.raises(ExerciseError, match="there are a, b"):
        quiz(f, blanks=2).check(z=1)
