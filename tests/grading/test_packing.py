"""What one process says to the other of nodes that both know: everything that changed, once."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.grading.process.packing import Packer


def said(packer: Packer) -> list:
    """The changes of a message, and the arrays in it."""
    packer.clear()
    return [[np.frombuffer(packer.blobs[x[2]], x[0]) if isinstance(x, list) else x for x in change[1:3]]
            for change in packer.changes()]  # fmt: skip


def test_a_weight_that_a_compiled_step_wrote_over_has_changed():
    model, packer = tl.Linear(3, 2, bias=False, seed=0), Packer(0)
    step = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), 0.1))
    step(np.ones((4, 3)), np.zeros((4, 2)))
    packer.pack(model.weight)
    assert said(packer) == []
    before, array = model.weight.value.copy(), model.weight._value
    step(np.ones((4, 3)), np.zeros((4, 2)))
    assert model.weight._value is array, "the case: written in place"
    ((value, slope),) = said(packer)
    assert np.array_equal(value, model.weight.value.ravel()) and not np.array_equal(value, before.ravel())
    assert slope is None and said(packer) == []


def test_a_gradient_that_was_there_before_is_told():
    w, packer = tl.parameter(np.ones(3)), Packer(0)
    tl.sum(w * w).backward()
    packer.pack(w)
    ((value, slope),) = said(packer)
    assert value is None and np.array_equal(slope, [2, 2, 2])
    assert said(packer) == []
