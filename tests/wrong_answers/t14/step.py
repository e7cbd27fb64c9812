"""Known wrong answers: a training step for names."""

from tinygrad_lora.learn.exercises.t14.step import exercise, with_other


@exercise.mutant("not-shifted")
def asks_for_what_it_sees(model, loss, optimizer, rows):
    return with_other(after=slice(0, -1))(model, loss, optimizer, rows)


@exercise.mutant("shifted-back")
def asks_for_what_was(model, loss, optimizer, rows):
    return with_other(slice(1, None), slice(0, -1))(model, loss, optimizer, rows)


@exercise.mutant("not-zeroed")
def forgets_to_forget(model, loss, optimizer, rows):
    value = loss(model(rows[:, :-1]), rows[:, 1:])
    value.backward()
    optimizer.step()
    return float(value)


@exercise.mutant("loss-after")
def measures_afterwards(model, loss, optimizer, rows):
    optimizer.zero_gradients()
    loss(model(rows[:, :-1]), rows[:, 1:]).backward()
    optimizer.step()
    return float(loss(model(rows[:, :-1]), rows[:, 1:]))


@exercise.mutant("padding-counts")
def makes_dots_of_the_rest(model, loss, optimizer, rows):
    return with_other(all_27=True)(model, loss, optimizer, rows)


@exercise.mutant("whole-row")
def gives_the_whole_row(model, loss, optimizer, rows):
    optimizer.zero_gradients()
    value = loss(model(rows), rows)
    value.backward()
    optimizer.step()
    return float(value)
