"""Known wrong answers: reLU and its kink."""

from tinygrad_lora.learn.exercises.t03.relu import exercise


@exercise.mutant("slope-at-zero", name="relu_vjp")
def lets_zero_pass(g, y, x):
    return g * (x >= 0)


@exercise.mutant("missing-mask", name="relu_vjp")
def passes_g_everywhere(g, y, x):
    return g


@exercise.mutant("missing-upstream", name="relu_vjp")
def gives_the_mask_alone(g, y, x):
    return 1.0 * (x > 0)


exercise.wrong_answer("wrong-prediction", slopes={"left": 0.0, "right": 1.0, "central": 0.0, "engine": 0.0})
