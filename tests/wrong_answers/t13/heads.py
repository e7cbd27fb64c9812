"""Known wrong answers: cut into heads, and joined again."""

from tinygrad_lora.learn.exercises.t13.heads import exercise


@exercise.mutant("tokens-mixed", name="heads")
def reshapes_alone(x, count):
    return x.reshape(count, len(x), -1)


@exercise.mutant("every-other", name="heads")
def deals_them_out(x, count):
    return x.reshape(len(x), -1, count).transpose(2, 0, 1)


@exercise.mutant("heads-in-the-middle", name="heads")
def leaves_the_axis(x, count):
    return x.reshape(len(x), count, -1)


@exercise.mutant("tokens-mixed", name="join")
def reshapes_back_alone(parts):
    return parts.reshape(parts.shape[1], -1)


@exercise.mutant("averaged", name="join")
def takes_the_mean(parts):
    return parts.mean(axis=0)
