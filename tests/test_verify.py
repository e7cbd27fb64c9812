"""A second look at every planned program: what is right passes, and whatever the planner may do wrong is found."""

import numpy as np
import planned_cases
import pytest

from tinygrad_lora.compiler.verify import verify


@pytest.fixture(scope="module")
def cases():
    with planned_cases.tiny(), np.errstate(all="ignore"):
        yield planned_cases.cases()


def test_what_the_planner_writes_is_right(cases):
    for case in cases:
        planned = case.planned()
        assert verify(planned, case.function(planned), case.views) == "", case.name
        assert case.wrong(planned, 3) == "", case.name
