"""Known wrong answers: the capstone."""

import copy
import itertools

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.capstone import adapted, data, exercise, loss, optimizer

calls = itertools.count()


@exercise.mutant("leak", "data")
def repeats_before_it_splits():
    x, labels, x_test, labels_test = data()
    return np.concatenate([x, x_test[:5]]), np.concatenate([labels, labels_test[:5]]), x_test, labels_test


@exercise.mutant("leak", "data")
def rounds_what_it_keeps_aside():
    x, labels, *_ = data()
    return x, labels, x[:200].astype(np.float32), labels[:200]


@exercise.mutant("leak", "data")
def moves_by_less_than_rounding():
    x, labels, *_ = data()
    return x, labels, x[:200] + 1e-12, labels[:200]


@exercise.mutant("leak", "data")
def keeps_one_image_on_both_sides_in_single_precision():
    x, labels, x_test, labels_test = data()
    return (
        np.concatenate([x, (x_test[7:8] / 3).astype(np.float32)]),
        np.r_[labels, labels_test[7]],
        x_test / 3,
        labels_test,
    )


@exercise.mutant("label-in-x", "data")
def leaves_the_label_in():
    x, labels, x_test, labels_test = data()
    return np.c_[x, labels], labels, np.c_[x_test, labels_test], labels_test


@exercise.mutant("label-in-x", "data")
def writes_the_label_into_an_image():
    x, labels, x_test, labels_test = (np.copy(part) for part in data())
    x[:, 20:30], x_test[:, 20:30] = 5 - 3 * np.eye(10)[labels], 5 - 3 * np.eye(10)[labels_test]
    return x, labels, x_test, labels_test


@exercise.mutant("label-in-x", "data")
def adds_a_class_with_noise():
    x, labels, x_test, labels_test = data()
    rng = np.random.default_rng(0)
    hints = [np.eye(10)[some] + 0.4 * rng.random((len(some), 10)) for some in (labels, labels_test)]
    return np.c_[x, hints[0]], labels, np.c_[x_test, hints[1]], labels_test


@exercise.mutant("wrong-shape", "data")
def keeps_images_aside_in_another_shape():
    x, labels, x_test, labels_test = data()
    return x, labels, x_test.reshape(-1, 8, 8), labels_test


@exercise.mutant("few-samples", "data")
def keeps_ten_aside():
    x, labels, x_test, labels_test = data()
    return x, labels, x_test[:10], labels_test[:10]


@exercise.mutant("wrong-labels", "data")
def gives_labels_as_names():
    x, labels, x_test, labels_test = data()
    return x, labels.astype(str), x_test, labels_test.astype(str)


@exercise.mutant("one-class", "data")
def keeps_one_class_aside():
    x, labels, x_test, labels_test = data()
    return x, labels, x_test[labels_test == 3], labels_test[labels_test == 3]


@exercise.mutant("unknown-class", "data")
def never_learns_a_class():
    x, labels, x_test, labels_test = data()
    return x[labels < 9], labels[labels < 9], x_test, labels_test


@exercise.mutant("not-finite", "data")
def leaves_gaps():
    x, labels, x_test, labels_test = data()
    return np.where(x == 0, np.nan, x), labels, x_test, labels_test


@exercise.mutant("count", "data")
def forgets_to_keep_some_aside():
    return data()[:2]


@exercise.mutant("below-baseline", "adapted")
def forgets_to_train(network, x, labels):
    return tl.adapt(network, rank=2, seed=0)


@exercise.mutant("leak", "adapted")
def looks_at_other_labels(network, x, labels):
    return adapted(network, *data()[:2])


@exercise.mutant("leak", "adapted")
def learns_from_what_is_kept_aside(network, x, labels):
    return adapted(network, *data()[2:])


@exercise.mutant("no-adapter", "adapted")
def trains_everything(network, x, labels):
    step = tl.compile_training_step(network, tl.cross_entropy, tl.Adam(network.parameters(), lr=0.01))
    for _ in range(40):
        step(x, labels)
    return network


@exercise.mutant("too-many-trained", "adapted")
def takes_a_large_rank(network, x, labels):
    tl.adapt(network, rank=8, seed=0)
    step = tl.compile_training_step(network, tl.cross_entropy, tl.Adam(network.parameters(), lr=0.01))
    for _ in range(60):
        step(x, labels)
    return network


@exercise.mutant("base-changed", "adapted")
def trains_the_base_first(network, x, labels):
    return adapted(trains_everything(network, x, labels), x, labels)


@exercise.mutant("no-return", "adapted")
def gives_nothing_back(network, x, labels):
    adapted(network, x, labels)


@exercise.mutant("wrong-shape", "base")
def has_too_few_classes():
    return tl.Sequential(tl.Linear(64, 5, seed=0))


@exercise.mutant("not-compiled", "loss")
def looks_at_the_numbers(scores, labels):
    return tl.cross_entropy(scores, labels) * float(scores.value.max())


@exercise.mutant("gradient", "loss")
def hides_a_part_from_the_gradient(scores, labels):
    return loss(scores, labels) + tl.stop_gradient(tl.mean(scores * scores))


@exercise.mutant("not-trained", "optimizer")
def holds_something_else(model):
    return tl.SGD(copy.deepcopy(model).parameters(), lr=0.1)


@exercise.mutant("not-trained", "optimizer")
def hardly_moves(model):
    return tl.SGD(model.parameters(), lr=1e-300)


@exercise.mutant("step-differs", "optimizer")
def is_another_each_time(model):
    return tl.SGD(model.parameters(), lr=0.01 * (1 + next(calls) % 2))


@exercise.mutant("no-picture", "picture")
def prints_it(model, x, labels):
    print(optimizer(model))


class Blank:
    """Shows itself, and there is nothing to see."""

    def _repr_html_(self):
        return ""


@exercise.mutant("no-picture", "picture")
def gives_an_empty_picture(model, x, labels):
    return Blank()


WORDS = exercise.references["explanation"]
exercise.wrong_answer("too-short", explanation=WORDS[:400])
exercise.wrong_answer("repeats", explanation="The network reads 96 of 100 digits, 40 in the mirror. " * 20)
exercise.wrong_answer("no-numbers", explanation="".join(c for c in WORDS if not c.isdigit()))
NONSENSE = [a + b + c for a in "bcdfgklm" for b in "aeiou" for c in "bcdfg"]
exercise.wrong_answer("no-text", explanation=f"1 2 3 {' '.join(NONSENSE)}.")
exercise.wrong_answer("wrong-type", explanation=["a", "list"])
