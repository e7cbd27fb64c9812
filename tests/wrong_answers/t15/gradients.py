"""Known wrong answers: gradients through frozen codes."""

from tinygrad_lora.learn.exercises.t15.gradients import exercise


@exercise.mutant("base-blocked")
def lets_nothing_through_what_is_frozen(g, x, codes, scales, levels, A, B, s):
    back = s * (g @ B.T)
    return back @ A.T, x.T @ back, s * (x @ A).T @ g


@exercise.mutant("codes-for-weight")
def multiplies_by_codes(g, x, codes, scales, levels, A, B, s):
    back = s * (g @ B.T)
    return g @ codes.T + back @ A.T, x.T @ back, s * (x @ A).T @ g


@exercise.mutant("scales-forgotten")
def multiplies_by_levels(g, x, codes, scales, levels, A, B, s):
    back = s * (g @ B.T)
    return g @ levels[codes].T + back @ A.T, x.T @ back, s * (x @ A).T @ g


@exercise.mutant("adapter-forgotten")
def sees_one_way_to_x(g, x, codes, scales, levels, A, B, s):
    back = s * (g @ B.T)
    return g @ (levels[codes] * scales).T, x.T @ back, s * (x @ A).T @ g


@exercise.mutant("missing-factor")
def forgets_the_factor_of_the_adapter(g, x, codes, scales, levels, A, B, s):
    W = levels[codes] * scales
    return g @ W.T + s * g @ B.T @ A.T, x.T @ g @ B.T, (x @ A).T @ g
