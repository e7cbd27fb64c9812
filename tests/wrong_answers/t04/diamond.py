"""Known wrong answers: gradients of a diamond."""

from tinygrad_lora.learn.exercises.t04.diamond import RIGHT, exercise

exercise.wrong_answer("missing-share", diamond={**RIGHT, "a": 12.0, "x": 36.0, "y": 12.0})


exercise.wrong_answer("counted-twice", diamond={**RIGHT, "x": 90.0, "y": 48.0})


exercise.wrong_answer("value-for-gradient", diamond={**RIGHT, "b": 3.0, "c": 12.0})


exercise.wrong_answer("wrong-paths", diamond={**RIGHT, "paths from y": 2})
