"""Known wrong answers: which results may move into the line of their user?."""

from tinygrad_lora.learn.exercises.t09.fusible import RIGHT, exercise

exercise.wrong_answer("used-twice", may_move=RIGHT | {"tanh -> scale": True})


exercise.wrong_answer("is-output", may_move=RIGHT | {"exp -> subtract": True})


exercise.wrong_answer("not-elementwise", may_move=RIGHT | {"matmul -> add": True})


exercise.wrong_answer("too-careful", may_move=dict.fromkeys(RIGHT, False))
