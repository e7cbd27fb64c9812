"""The commands `tinygrad-lora predict` and `review`: the questions of the tutorials in a terminal."""

import sys
from collections.abc import Sequence

import numpy as np

from ..errors import ExerciseError
from ..learn.predictions.answered import predict
from ..learn.predictions.prediction import Question, load_prediction, predictions_of
from ..learn.predictions.review import review
from ..learn.progress import progress
from ..learn.settings import require_on
from .check import wrapped
from .output import Arguments, Commands, new_command


def add_command(commands: Commands) -> None:
    """Add `predict` and `review` to the commands of a parser."""
    parser = new_command(commands, "predict", run_predict, "answer the questions of a tutorial")
    parser.add_argument("id", metavar="04|04-paths", help="number of a tutorial, such as 04, or id of a question")
    parser.add_argument("answer", nargs="?", metavar="ANSWER", help="a number, true, false, a letter or a shape (2,3)")
    parser.add_argument("--seed", type=int, help="ask with other numbers, as `review` does")
    parser = new_command(commands, "review", run_review, "ask five questions from tutorials that you have passed")
    parser.add_argument("--seed", type=int, help="ask the same again; without it, others each time")
    parser.add_argument("--count", type=int, default=5, help="how many questions (5)")


def run_predict(args: Arguments) -> int:
    """With the number of a tutorial: its questions, one after another. With the id of a question: this one, or a
    response to your answer. The exit code is 1 after a wrong answer, else 0.

    Raises ExerciseError.
    """
    require_on("predictions" if args.seed is None else "review")
    if args.id.isdecimal():
        if args.answer is not None:
            raise ExerciseError(f"an answer is to one question: `tinygrad-lora predict {args.id}` lists their ids")
        if not (known := predictions_of(args.id.zfill(2))):
            raise ExerciseError(f"there are no questions to tutorial {args.id}; `tinygrad-lora learn` lists tutorials")
        return ask([one.question(args.seed) for one in known.values()])
    if args.answer is None:
        return ask([load_prediction(args.id).question(args.seed)])
    answered = predict(args.id, args.answer, seed=args.seed)
    print(wrapped(str(answered)))
    return 0 if answered.passed else 1


def run_review(args: Arguments) -> int:
    """Questions with fresh numbers, from tutorials with half of their points or more. What you got wrong comes
    first.
    """
    if args.count < 1:
        raise ValueError(f"--count is at least 1, not {args.count}")
    seed = int(np.random.default_rng().integers(10_000)) if args.seed is None else args.seed
    questions = review(args.count, seed)
    if not questions:
        print("There is nothing to review yet: first reach half of the points of a tutorial. `tinygrad-lora learn`")
        return 0
    return ask(questions)


def ask(questions: Sequence[Question]) -> int:
    """Ask one after another. Where nobody can type, print the questions, and how to answer each."""
    state = progress().predictions
    wrong = 0
    for question in questions:
        known = " (answered)" if question.seed is None and state[question.id] == "right" else ""
        print(wrapped(f"{question.id}{known}\n\n{question}"), "\n", sep="")
        if not sys.stdin.isatty():
            seed = "" if question.seed is None else f" --seed {question.seed}"
            print(f"Answer: tinygrad-lora predict {question.id} ANSWER{seed}\nANSWER is {question.needed}.\n")
            continue
        try:
            answer = input("Your answer (Enter to go on): ").strip()
        except EOFError:
            break
        if answer:
            answered = predict(question.id, answer, seed=question.seed)
            wrong += not answered.passed
            print(wrapped(str(answered)), "\n", sep="")
    return 1 if wrong else 0
