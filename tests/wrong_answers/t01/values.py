"""Known wrong answers: fill in the values."""

from tinygrad_lora.learn.exercises.t01.values import exercise

exercise.wrong_answer("sign", values={"a": 6.0, "b": 8.0, "c": 64.0, "d": 58.0})


exercise.wrong_answer("other-operation", values={"a": -1.0, "b": 1.0, "c": 1.0, "d": 2.0})


exercise.wrong_answer("other-operation", values={"a": -6.0, "b": -4.0, "c": 16.0, "d": 10.0})


exercise.wrong_answer("wrong-value", values={"a": -6.0, "b": -9.0, "c": 81.0, "d": 87.0})
