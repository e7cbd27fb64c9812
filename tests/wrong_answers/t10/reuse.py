"""Known wrong answers: take turns in the same memory."""

from tinygrad_lora.learn.exercises.t10._programs import planned
from tinygrad_lora.learn.exercises.t10.reuse import exercise


@exercise.mutant("overwritten-alive", name="places")
def frees_after_the_first_reader(program, outputs):
    return planned(program, outputs, careless=True)


@exercise.mutant("matmul-in-place", name="places")
def writes_products_over_their_operands(program, outputs):
    return planned([(name, "add", reads) for name, _, reads in program], outputs)


@exercise.mutant("output-overwritten", name="places")
def gives_outputs_away(program, outputs):
    return planned(program, [program[-1][0]])


@exercise.mutant("no-reuse", name="places")
def reuses_nothing(program, outputs):
    return {name: i for i, (name, _, _) in enumerate(program)}


@exercise.mutant("not-in-place", name="places")
def never_writes_over_an_operand(program, outputs):
    return planned(program, outputs, in_place=False)


@exercise.mutant("read-once", name="counterexample")
def builds_a_chain():
    return [("t0", "tanh", ("x",)), ("t1", "tanh", ("t0",)), ("t2", "matmul", ("t1", "y"))], ["t2"]


@exercise.mutant("no-difference", name="counterexample")
def reads_again_before_the_place_is_taken():
    return [("t0", "tanh", ("x",)), ("t1", "matmul", ("t0", "y")), ("t2", "add", ("t0", "t1"))], ["t2"]


@exercise.mutant("too-large", name="counterexample")
def builds_more_than_needed():
    steps = [(f"t{i}", "tanh", (f"t{i - 1}" if i else "x",)) for i in range(4)]
    return [*steps, ("t4", "add", ("t0", "t3"))], ["t4"]
