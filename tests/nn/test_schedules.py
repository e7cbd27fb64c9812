"""Learning rates that change: the formulas at their ends, and how an optimizer follows them."""

import copy
import pickle
from math import cos, pi

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lora as tl


def rates(schedule, steps):
    return [schedule(t) for t in range(steps)]


def test_linear_goes_straight_from_start_to_end_and_stays():
    assert_allclose(rates(tl.linear(1.0, 0.2, steps=4), 7), [1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2], rtol=1e-15)


def test_cosine_falls_from_its_peak_to_its_end_and_stays():
    schedule = tl.cosine(1.0, steps=4, end=0.2)
    middle = [0.2 + 0.4 * (1 + cos(pi * t / 4)) for t in range(4)]
    assert_allclose(rates(schedule, 6), [*middle, 0.2, 0.2], rtol=1e-15)
    assert schedule(0) == 1.0 and schedule(2) == pytest.approx(0.6, rel=1e-15)


def test_a_warmup_rises_to_the_peak_and_its_first_step_learns():
    schedule = tl.cosine(1.0, steps=10, warmup=3)
    assert rates(schedule, 4) == [0.25, 0.5, 0.75, 1.0]
    assert schedule(4) < 1.0 and schedule(10) == 0.0 and schedule(99) == 0.0


def test_step_decay_multiplies_after_every_so_many_steps():
    assert rates(tl.step_decay(1.0, 0.5, every=2), 6) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: tl.linear(-1.0, 0.0, 3), ValueError, "start must be"),
        (lambda: tl.linear(1.0, float("nan"), 3), ValueError, "end must be"),
        (lambda: tl.linear(1.0, 0.0, 0), ValueError, "steps must be positive"),
        (lambda: tl.linear(1.0, 0.0, 2.5), TypeError, "steps must be a whole number"),
        (lambda: tl.cosine("1", 3), TypeError, "peak must be a number"),
        (lambda: tl.cosine(1.0, 3, warmup=3), ValueError, "warmup must be shorter than the whole schedule of 3 steps"),
        (lambda: tl.cosine(1.0, 3, warmup=-1), ValueError, "warmup must be positive"),
        (lambda: tl.step_decay(1.0, -0.5, 2), ValueError, "factor must be"),
        (lambda: tl.step_decay(1.0, 0.5, 0), ValueError, "every must be positive"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()


def weight():
    p = tl.parameter(np.zeros(2), "w")
    p.gradient = np.ones(2)
    return p


def test_each_step_is_taken_at_the_rate_of_its_number():
    p = weight()
    optimizer = tl.SGD([p], lambda t: [0.5, 0.25, 0.125][t])
    for t, rate in enumerate([0.5, 0.25, 0.125]):
        assert (optimizer.steps, optimizer.lr) == (t, rate)
        before = p.value
        optimizer.step()
        assert_array_equal(p.value, before - rate)
    assert optimizer.steps == 3
    with pytest.raises(IndexError):
        optimizer.step()  # there is no fourth rate
    assert optimizer.steps == 3 and p.value[0] == -0.875


def test_a_number_takes_the_place_of_a_schedule_and_a_schedule_that_of_a_number():
    p = weight()
    optimizer = tl.SGD([p], tl.linear(1.0, 0.0, steps=4))
    optimizer.step()
    assert optimizer.lr == 0.75
    optimizer.lr = 0.125
    optimizer.step()
    assert optimizer.lr == 0.125 and p.value[0] == -1.125
    optimizer.lr = tl.linear(1.0, 0.0, steps=4)
    assert optimizer.steps == 2 and optimizer.lr == 0.5  # the count goes on


def test_a_schedule_may_begin_or_end_at_zero():
    p = weight()
    optimizer = tl.SGD([p], lambda t: 0.0)
    optimizer.step()
    assert_array_equal(p.value, [0, 0])


def test_a_failed_step_is_not_counted():
    optimizer = tl.SGD([tl.parameter(np.zeros(2))], 0.5)
    with pytest.raises(tl.errors.GradientError):
        optimizer.step()
    assert optimizer.steps == 0


def test_a_rate_that_is_no_number_names_the_step():
    p = weight()
    optimizer = tl.SGD([p], lambda t: 1.0 if t < 1 else float("nan"))
    optimizer.step()
    with pytest.raises(ValueError, match="the learning rate of step 1 must be finite"):
        optimizer.step()
    with pytest.raises(TypeError, match="the learning rate of step 1 must be a number, not str"):
        optimizer.lr = lambda t: "0.1"
    with pytest.raises(ValueError, match="the learning rate of step 1"):
        _ = optimizer.lr  # the old one is still there
    with pytest.raises(ValueError, match="the learning rate of step 0"):
        tl.SGD([p], lambda t: -1.0)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
@pytest.mark.parametrize(
    "schedule", [tl.linear(1.0, 0.0, 4), tl.cosine(1.0, 9, warmup=2), tl.step_decay(1.0, 0.5, 1)], ids=lambda s: s.func
)
def test_a_copied_optimizer_goes_on_counting(schedule, again):
    optimizer = tl.AdamW([weight()], schedule, max_norm=0.5)
    optimizer.step()
    twin = again(optimizer)
    assert twin.steps == 1 and twin.lr == optimizer.lr == schedule(1)
    for each in (optimizer, twin):
        each.parameters[0].gradient = np.ones(2)
        each.step()
    assert_array_equal(twin.parameters[0].value, optimizer.parameters[0].value)
    assert twin.parameters[0] is not optimizer.parameters[0]
