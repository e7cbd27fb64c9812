"""Known wrong answers: perplexity below 9."""

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t14.perplexity import exercise
from tinygrad_lora.models.names import NameModel, letter_loss


def trained(model, rows, rate, steps, after=slice(1, None)):
    step = tl.compile_training_step(model, letter_loss, tl.SGD(model.parameters(), lr=rate))
    for _, (batch,) in zip(range(steps), tl.batches(rows, size=32, epochs=9), strict=False):
        step(batch[:, :-1], batch[:, after])
    return model


@exercise.mutant("not-trained")
def returns_it_at_once(model, rows):
    return model


@exercise.mutant("above-threshold")
def stops_early(model, rows):
    step = tl.compile_training_step(model, letter_loss, tl.Adam(model.parameters(), lr=0.01))
    for _, (batch,) in zip(range(150), tl.batches(rows, size=32, epochs=2), strict=False):
        step(batch[:, :-1], batch[:, 1:])
    return model


@exercise.mutant("worse-than-pairs")
def goes_far_too_slowly(model, rows):
    return trained(model, rows, 0.01, 50)


@exercise.mutant("worse-than-before")
def learns_to_repeat(model, rows):
    return trained(model, rows, 0.5, 200, slice(0, -1))


@exercise.mutant("another-network")
def gives_another(model, rows):
    class Mine(NameModel):
        pass

    return Mine()
