"""Known wrong answers: what freezing removes."""

from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.learn.exercises.t06.freezing import exercise

exercise.wrong_answer("counts-x", products={"nothing frozen": 4, "first frozen": 2, "second frozen": 3})


exercise.wrong_answer("stops-at-frozen", products={"nothing frozen": 3, "first frozen": 1, "second frozen": 0})


exercise.wrong_answer("goes-below", products={"nothing frozen": 3, "first frozen": 2, "second frozen": 2})


@exercise.mutant("stale-flag", name="visited")
def believes_the_flags(output):
    return [node for node in topological_order([output]) if node.requires_gradient]


@exercise.mutant("frozen-visited", name="visited")
def visits_everything(output):
    return topological_order([output])


@exercise.mutant("leaves-only", name="visited")
def lists_the_parameters_alone(output):
    return [n for n in topological_order([output]) if str(n.op) == "parameter" and n.requires_gradient]
