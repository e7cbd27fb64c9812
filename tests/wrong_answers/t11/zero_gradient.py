"""Known wrong answers: which gradient is zero?."""

from tinygrad_lora.learn.exercises.t11.zero_gradient import exercise

RIGHT = exercise.references["is_zero"]


exercise.wrong_answer("wrong-factor", is_zero=RIGHT | {"A": False, "B": True})


exercise.wrong_answer("input-passes", is_zero=RIGHT | {"x": False})


exercise.wrong_answer("stuck", is_zero=RIGHT | {"A later": True})


exercise.wrong_answer("zero-start", is_zero=RIGHT | {"B from zeros": False})
