r"""Backward, twice

What are the gradients after each `backward()` in these lines?

    x = tl.parameter(3.0, "x")
    f = x * x
    f.backward()        # "first": x.gradient after this line
    f.backward()        # "second": x.gradient, and "f": f.gradient
    h = 5 * x
    h.backward()        # "other": x.gradient
    x.zero_gradient()
    h.backward()        # "zeroed": x.gradient

Write the five gradients into the dictionary `twice`. Predict first; the engine runs these lines when you check.
"""

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, as_number, entry, number, require

HINTS = (
    "backward() adds to what is there, at every node. Nothing is forgotten unless you say so.",
    "Each call sends a fresh 1 from the output; it does not send what was added up before.",
    "The slope of x * x at 3 is 6, and that of 5 * x is 5. The rest is addition.",
)
ABOUT = (
    "`backward()` adds to the gradients that are there, at every node, and only `zero_gradient()` forgets. So the "
    "gradients of several losses add up, which is useful, and a training loop must zero them, which is easily "
    "forgotten."
)
NEXT = (
    "Split a batch into halves and call `backward()` on the mean loss of each. What must be done to the sum to "
    "get the gradient of the whole batch's mean?"
)
exercise = Exercise("04-twice", __doc__, kind="Q", hints=HINTS, about=ABOUT, next_step=NEXT)

RIGHT = {"first": 6.0, "second": 12.0, "f": 2.0, "other": 17.0, "zeroed": 5.0}
exercise.answer(twice=RIGHT)


@exercise.another()
def by_running_it():
    """The lines themselves, with a look at the gradient after each."""
    x, seen = tl.parameter(3.0, "x"), {}
    f = x * x
    for name in "first", "second":
        f.backward()
        seen[name] = float(x.gradient)
    h = 5 * x
    h.backward()
    seen |= {"f": float(f.gradient), "other": float(x.gradient)}
    x.zero_gradient()
    h.backward()
    return seen | {"zeroed": float(x.gradient)}


def observed():
    """The gradients that the engine gives, under the names of the questions."""
    x, gradients = tl.parameter(3.0, "x"), {}
    f = x * x
    f.backward()
    gradients["first"] = float(x.gradient)
    f.backward()
    gradients |= {"second": float(x.gradient), "f": float(f.gradient)}
    h = 5 * x
    h.backward()
    gradients["other"] = float(x.gradient)
    x.zero_gradient()
    h.backward()
    return gradients | {"zeroed": float(x.gradient)}


SLIPS = {  # what one may think instead, and why it is not so
    "first": {
        9.0: ("value-for-gradient", "that is the value of f"),
        3.0: ("missing-share", "that is the share of one operand of x * x; x is both, and adds up two shares"),
        1.0: ("other-node", "that is the gradient of f; x gets it times the slope"),
    },
    "second": {
        6.0: ("overwritten", "as if the second call replaced the first; it adds to it"),
        18.0: ("compounded", "as if the 2 in f.gradient were sent down; each call sends a fresh 1"),
        24.0: ("compounded", "as if the gradient doubled in f and in x; each call sends a fresh 1"),
        36.0: ("compounded", "as if the calls were multiplied; they are added"),
    },
    "f": {
        1.0: ("overwritten", "as if the second call replaced the first; it adds at every node, at f as well"),
        12.0: ("other-node", "that is the gradient of x; f is the output, and each call gives it 1 more"),
        9.0: ("value-for-gradient", "that is the value of f"),
    },
    "other": {
        5.0: ("overwritten", "as if a new output began anew; x does not know who sends"),
        11.0: ("overwritten", "as if the second call on f had not counted"),
    },
    "zeroed": {
        22.0: ("not-forgotten", "as if zero_gradient() did nothing"),
        10.0: ("compounded", "h has been sent back twice; but x was zeroed in between"),
        0.0: ("not-sent", "zero_gradient() forgets, and the last line sends back again"),
    },
}


OTHERWISE = {  # where the number is no slip that has a name
    "first": "before this line there is no gradient: what the call sends to x is the slope of x * x at 3",
    "second": "the second call adds to what the first has left",
    "f": "f is the output, and each of the two calls adds 1 to its gradient",
    "other": "this call adds the slope of h to what the two before it have left",
    "zeroed": "x.zero_gradient() forgets all of it, and the last line adds the slope of h",
}


@exercise.check(points=2)
def test_every_prediction_is_right(twice):
    for name, expected in observed().items():
        answer = as_number(entry(twice, "twice", name), f"the answer {name!r}")
        if answer == expected:
            continue
        code, why = SLIPS.get(name, {}).get(answer, ("wrong-prediction", OTHERWISE[name]))
        require(False, code, f"you predicted {number(answer)} for {name!r}: {why}")
