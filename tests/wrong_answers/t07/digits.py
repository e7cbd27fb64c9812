"""Known wrong answers: read 95 % of the digits."""

from tinygrad_lora.learn.exercises.t07.digits import exercise

exercise.wrong_answer("too-slow-learning", plan={"lr": 0.000001, "batch": 32, "epochs": 15})


exercise.wrong_answer("too-many-epochs", plan={"lr": 0.005, "batch": 32, "epochs": 500})


@exercise.mutant("diverged", name="update")
def goes_up_the_slope(parameters, lr, memory):
    for p in parameters:
        p.value = p.value + 100 * lr * p.gradient


@exercise.mutant("not-updated", name="update")
def works_on_a_copy(parameters, lr, memory):
    for p in parameters:
        value = p.value.copy()
        value -= lr * p.gradient
