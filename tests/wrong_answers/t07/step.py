"""Known wrong answers: a training step, in order."""

from tinygrad_lora.learn.exercises.t07.step import exercise


@exercise.mutant("not-zeroed")
def forgets_to_forget(model, loss, optimizer, x, target):
    value = loss(model(x), target)
    value.backward()
    optimizer.step()
    return float(value)


@exercise.mutant("no-gradient")
def forgets_between_backward_and_step(model, loss, optimizer, x, target):
    value = loss(model(x), target)
    value.backward()
    optimizer.zero_gradients()
    optimizer.step()
    return float(value)


@exercise.mutant("loss-after")
def measures_after_the_update(model, loss, optimizer, x, target):
    optimizer.zero_gradients()
    loss(model(x), target).backward()
    optimizer.step()
    return float(loss(model(x), target))


@exercise.mutant("runs-twice")
def computes_the_loss_twice(model, loss, optimizer, x, target):
    optimizer.zero_gradients()
    before = float(loss(model(x), target))
    loss(model(x), target).backward()
    optimizer.step()
    return before
