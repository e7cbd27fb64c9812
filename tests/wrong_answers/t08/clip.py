"""Known wrong answers: clip the gradient."""

import numpy as np

from tinygrad_lora.learn.exercises.t08.clip import exercise


@exercise.mutant("changed-argument")
def scales_in_place(gradients, max_norm):
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return list(gradients)
