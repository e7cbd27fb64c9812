"""Known wrong answers: how many multiplications?."""

from tinygrad_lora.learn.exercises.t02.multiplications import RIGHT, exercise

exercise.wrong_answer("counted-letters", answers=RIGHT | {"power, written out": 1024})


exercise.wrong_answer("twice-per-step", answers=RIGHT | {"power, written out": 20})


exercise.wrong_answer("all-nodes", answers=RIGHT | {"power, shared": 11})


exercise.wrong_answer("other-question", answers=RIGHT | {"power, shared": 1023, "sum, shared": 4})
