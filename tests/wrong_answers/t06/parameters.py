"""Known wrong answers: collect the parameters of a layer."""

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t06.parameters import exercise


def is_parameter(thing):
    return isinstance(thing, tl.ComputationNode) and str(thing.op) == "parameter"


@exercise.mutant("nested-missing")
def looks_at_its_own_attributes_only(layer):
    return {name: part for name, part in vars(layer).items() if is_parameter(part)}


@exercise.mutant("list-missing")
def does_not_open_lists(layer):
    parameters = {}
    for name, part in vars(layer).items():
        if is_parameter(part):
            parameters[name] = part
        elif isinstance(part, tl.Layer):
            parameters |= {f"{name}.{key}": p for key, p in does_not_open_lists(part).items()}
    return parameters


def collected(layer, *, once=True, path=True, frozen=True, constants=False):
    parameters = {}

    def walk(name, thing):
        if isinstance(thing, tl.ComputationNode):
            counts = (constants or is_parameter(thing)) and (frozen or thing.requires_gradient)
            if counts and not (once and thing in parameters.values()):
                parameters[name] = thing
        elif isinstance(thing, tl.Layer | list | tuple):
            for key, part in vars(thing).items() if isinstance(thing, tl.Layer) else enumerate(thing):
                walk(f"{name}.{key}" if name and path else str(key), part)

    walk("", layer)
    return parameters


@exercise.mutant("counted-twice")
def gives_a_shared_one_two_names(layer):
    return collected(layer, once=False)


@exercise.mutant("frozen-missing")
def leaves_frozen_ones_out(layer):
    return collected(layer, frozen=False)


@exercise.mutant("wrong-name")
def forgets_the_path(layer):
    return collected(layer, path=False)


@exercise.mutant("not-a-parameter")
def takes_constants_as_well(layer):
    return collected(layer, constants=True)
