"""Collect the parameters of a layer

Write `named_parameters(layer)`: a dictionary with every parameter of a layer, by name. The attributes of a layer are in
`vars(layer)`, a dictionary. Each of them may be

* a node: it is a parameter if `str(node.op) == "parameter"`, and a constant otherwise;
* a layer, whose parameters belong to it as well: those of `self.head` are called "head.weight" and "head.bias";
* a list or tuple of such things: its places are numbers, as in "blocks.0.weight";
* anything else, which does not count.

A parameter that is met again keeps its first name. Frozen ones are in the dictionary, too.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, are, generators, kind_of, require, returned
from tinygrad_lora.view.words.sentences import one_line

HINTS = (
    "A layer in a layer in a list: the depth is small, so this is a case for a function that calls itself.",
    "Let a helper `walk(name, thing)` look at one thing. Only if it is a node it is stored; a layer or a list is "
    "walked through.",
    "For a layer: `for key, part in vars(thing).items(): walk(f'{name}.{key}' if name else key, part)`. For a list "
    "the same with `enumerate(thing)`. For a node: store it unless it is in `parameters.values()`.",
)
ABOUT = (
    "A layer is a tree: its parameters are the leaves, and layers, lists and tuples are the branches. The way to "
    "a leaf is its name in a file, and a parameter that is met twice is still one, which must not be trained "
    "twice."
)
NEXT = 'Write the way back: `set_parameter(layer, "blocks.0.weight", array)`, which follows the dots of a name.'
exercise = Exercise("06-parameters", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def named_parameters(layer):
    """All parameters of the layer, by dotted name."""
    parameters = {}

    def walk(name, thing):
        if isinstance(thing, tl.ComputationNode):
            if str(thing.op) == "parameter" and thing not in parameters.values():
                parameters[name] = thing
        elif isinstance(thing, (tl.Layer, list, tuple)):
            parts = vars(thing).items() if isinstance(thing, tl.Layer) else enumerate(thing)
            for key, part in parts:
                walk(f"{name}.{key}" if name else str(key), part)

    walk("", layer)
    return parameters


@exercise.another()
def with_a_stack(layer):
    """Without recursion: what is still to be looked at waits on a stack, the first on top."""
    parameters, known, stack = {}, set(), [("", layer)]
    while stack:
        name, thing = stack.pop()
        if isinstance(thing, tl.ComputationNode):
            if str(thing.op) == "parameter" and thing not in known:
                known.add(thing)
                parameters[name] = thing
        elif isinstance(thing, (tl.Layer, list, tuple)):
            parts = vars(thing).items() if isinstance(thing, tl.Layer) else enumerate(thing)
            stack += [(f"{name}.{key}".removeprefix("."), part) for key, part in parts][::-1]
    return parameters


class Parts(tl.Layer):
    """A layer whose attributes are the given parts."""

    def __init__(self, **parts):
        for name, part in parts.items():
            setattr(self, name, part)

    def __call__(self, x):
        return x


def weights(trainable=True):
    """Two parameters, as a linear layer has them, and some attributes that are none."""
    return {
        "size": 2,
        "weight": tl.parameter(np.ones((2, 2)), trainable=trainable),
        "bias": tl.parameter(np.zeros(2)),
        "scaling": tl.constant(2.0),
    }


def examples():
    """Layers, each with the code for whoever gets it wrong and nothing before it."""
    yield "a layer with a weight and a bias", Parts(**weights()), "direct-missing"
    yield "a layer with a frozen weight", Parts(**weights(trainable=False)), "frozen-missing"
    yield "a layer with another layer in it", Parts(head=Parts(**weights())), "nested-missing"
    yield "two layers in a list", Parts(blocks=[Parts(**weights()), Parts(**weights())]), "list-missing"
    yield "a tuple of parameters", Parts(pair=(tl.parameter(1.0), tl.parameter(2.0))), "list-missing"
    shared = Parts(**weights())
    yield "a layer used twice", Parts(encoder=shared, decoder=shared, **weights()), "counted-twice"
    yield "a list in a list", Parts(rows=[[tl.parameter(1.0)], (tl.parameter(2.0),)]), "list-missing"


def random_layer(rng, depth):
    """A tree of layers."""
    parts = {"size": 3, "name_of_it": "layer"}
    for name in ("first", "second", "third")[: int(rng.integers(1, 4))]:
        kind = int(rng.integers(4)) if depth else 0
        if kind == 0:
            parts[name] = tl.parameter(rng.normal(size=2), trainable=bool(rng.integers(2)))
        elif kind == 1:
            parts[name] = random_layer(rng, depth - 1)
        else:
            parts[name] = [random_layer(rng, depth - 1) for _ in range(2)]
    return Parts(**parts)


def listed(names):
    """The first six names, and how many more there are."""
    few = [one_line(str(name)) for name in names][:6]
    return ", ".join([*few, f"and {len(names) - 6} more"] if len(names) > 6 else few) or "none"


def judge(named_parameters, description, layer, code):
    """One layer: raise, and say what is lost or added, unless the names and nodes are right."""
    answer = returned(named_parameters(layer), dict, "named_parameters", "a dictionary is needed")
    expected = layer.named_parameters()
    if answer == expected:
        return
    yours = f"for {description} the names are {listed(expected)}; yours are {listed(answer)}"
    odd = [name for name in answer if type(name) is not str]
    keys = f"a key of your dictionary is {kind_of(odd[0]) if odd else ''}; the keys are names, texts such as 'weight'"
    require(not odd, "wrong-type", keys)
    stray = [name for name, node in answer.items() if not any(node is p for p in expected.values())]
    stranger = f"what you have under {stray[0] if stray else ''} is no parameter of the layer"
    require(not stray, "not-a-parameter", f"{yours}: {stranger}")
    doubled = len(answer) > len({id(node) for node in answer.values()})
    require(not doubled, "counted-twice", f"{yours}: one parameter has two names, and would be updated twice")
    for key in (lambda p: p.shape, lambda p: (p.shape, p.value.tobytes())):
        firsts = {key(p): (name, p) for name, p in reversed(expected.items())}
        merged = len(firsts) < len(expected) and dict(reversed(firsts.values())) == answer
        sentence = (
            f"{yours}: two parameters of the same shape, even with the same numbers, are two; only the same node is "
        )
        sentence += "the same parameter"
        require(not merged, "same-shapes", sentence)
    lost = [name for name, p in expected.items() if not any(node is p for node in answer.values())]
    frozen = [name for name in lost if expected[name].requires_gradient]
    description = f"{yours}: {', '.join(lost)} {are(lost)} frozen, and must be there"
    require(not lost or bool(frozen), "frozen-missing", description)
    require(not lost, code, f"{yours}: {listed(lost)} {are(lost)} missing")
    require(False, "wrong-name", f"{yours}: the parameters are right, but their names or prefixes are not")


@exercise.check(points=3)
def test_every_parameter_is_found_once(named_parameters):
    for description, layer, code in examples():
        judge(named_parameters, description, layer, code)


@exercise.check(points=1)
def test_any_tree_of_layers(named_parameters, seed, budget):
    for size, rng in generators(seed, budget):
        judge(named_parameters, "a tree of layers", random_layer(rng, size // 4), "nested-missing")
