"""Known wrong answers: backward, twice."""

from tinygrad_lora.learn.exercises.t04.twice import RIGHT, exercise

exercise.wrong_answer("overwritten", twice=RIGHT | {"second": 6.0, "f": 1.0, "other": 5.0})


exercise.wrong_answer("compounded", twice=RIGHT | {"second": 18.0, "other": 23.0})


exercise.wrong_answer("not-forgotten", twice=RIGHT | {"zeroed": 22.0})


exercise.wrong_answer("value-for-gradient", twice=RIGHT | {"first": 9.0, "second": 18.0, "other": 23.0})
