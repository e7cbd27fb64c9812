"""Known wrong answers: what must be kept."""

from tinygrad_lora.learn.exercises.t10.saved import exercise

RIGHT = exercise.references["all_trained"]


exercise.wrong_answer("kept-for-a-sum", all_trained=dict.fromkeys(RIGHT, True))


exercise.wrong_answer("input-for-output", all_trained=RIGHT | {"b": True, "h": False})


exercise.wrong_answer("operand-missing", all_trained=RIGHT | {"d": False})


exercise.wrong_answer("kept-for-the-frozen", only_last=RIGHT)
