r"""Take turns in the same memory

All arrays of a program have one size. Write `places(program, outputs)`: a dictionary that gives each array made by a
step the number of its place, 0, 1, 2, ... A step writes its result into its place, over what was there. The outputs
must still be in their places at the end. Use as few places as possible:

* a place is free again when the array in it will not be read any more;
* "add", "subtract" and "tanh" work number by number: the result may take the place of an operand that dies there, which
  means that it is read for the last time;
* "matmul" reads its operands again and again while it writes: its result must not lie over either of them.

Then write `counterexample()`. It returns `(program, outputs)`, at most four steps from the inputs "x" and "y", on which
a *careless planner* gives wrong numbers: it frees a place as soon as its array was read once.
"""

from tinygrad_lora.learn.authoring import Exercise, as_whole, counted, refuse, require, returned

from ._programs import checked_program, ends, planned, programs, text_of, wrong_outputs

HINTS = (
    "Find for each array the step that reads it last, as in 10-liveness. Then walk through the steps with a list "
    "of free places.",
    "At each step: which operands are read here for the last time? For matmul their places are free after the "
    "result has one; for the others, before.",
    "If `free` is not empty, `place_of[name] = free.pop()`, else a new number. "
    "And the counterexample: t0 is read by t1, and again by t2.",
)
ABOUT = (
    "Arrays that are never needed at the same time can share a place, so a hundred steps may do with three. A "
    "product must not write over what it still reads; an elementwise operation may, because it has read a number "
    "before it replaces it."
)
NEXT = "Give the arrays different sizes. Is any free place as good as another now? Try first fit against best fit."
exercise = Exercise("10-reuse", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def places(program, outputs):
    """A place for each array, as few as possible."""
    last = {name: i for i, (_, _, reads) in enumerate(program) for name in reads}
    for name in outputs:
        last[name] = len(program)
    place_of, free, count = {}, [], 0
    for i, (name, operation, reads) in enumerate(program):
        done = [place_of[r] for r in dict.fromkeys(reads) if r in place_of and last[r] == i]
        if operation != "matmul":
            free, done = free + done, []
        if free:
            place_of[name] = free.pop()
        else:
            place_of[name], count = count, count + 1
        free = free + done
    return place_of


@exercise.reference
def counterexample():
    """A program on which freeing after the first reader gives wrong numbers."""
    return [("t0", "tanh", ("x",)), ("t1", "tanh", ("t0",)), ("t2", "add", ("t0", "t1"))], ["t2"]


@exercise.another("places")
def the_lowest_that_is_free(program, outputs):
    """No list of free places: look which are taken at this step, and take the lowest of the others."""
    last = {name: i for i, (_, _, reads) in enumerate(program) for name in reads} | dict.fromkeys(outputs, len(program))
    place_of = {}
    for i, (name, operation, reads) in enumerate(program):
        read_on = {array for array in place_of if last.get(array, -1) > i}
        taken = {
            place_of[array] for array in place_of if array in read_on or (operation == "matmul" and array in reads)
        }
        place_of[name] = min({*range(len(program))} - taken)
    return place_of


MOST = 4


def checked_places(places, program, outputs):
    """The student's places, as whole numbers."""
    answer = returned(places(program, outputs), dict, "places", "a dictionary is needed")
    if missing := [name for name, _, _ in program if name not in answer]:
        raise refuse("missing-name", f"{missing[0]} has no place in {text_of(program)}")
    return {name: as_whole(answer[name], f"the place of {name}") for name, _, _ in program}


def words_of(place_of):
    return ", ".join(f"{name} {place}" for name, place in place_of.items())


def collision(program, outputs, place_of):
    """The first array that is written over while it is needed: its code, and a sentence."""
    last, holder = ends(program, outputs), {}
    for i, (name, op, reads) in enumerate(program):
        old = holder.get(place_of[name])
        if old is not None:
            over = f"step {i}, {name} = {op}({', '.join(reads)}), writes over {old} in place {place_of[name]}"
            if last[old] == len(program):
                return "output-overwritten", f"{over}: {old} is an output"
            if last[old] > i:
                return "overwritten-alive", f"{over}: {old} is read again in step {last[old]}"
            if op == "matmul" and old in reads:
                return "matmul-in-place", f"{over}: a product reads its operands while it is written"
        holder[place_of[name]] = name
    return "wrong-numbers", "the numbers come out wrong"


def one_that_fits(program, outputs):
    """The first array that may stand where another one stood, where no two share a place: a sentence."""
    last, made = ends(program, outputs), []
    for i, (name, op, _) in enumerate(program):
        for old in made:
            if last[old] < i or (last[old] == i and op != "matmul"):
                read = f"is read last in step {last[old]}" if old in program[last[old]][2] else "is read by nobody"
                return f"{old} {read}, and step {i} makes {name}, which may stand in its place"
        made.append(name)
    return ""


def judge(places, program, outputs):
    """The student's places. Raises, and says what is wrong, unless the outputs come out right in them."""
    place_of = checked_places(places, program, outputs)
    if wrong_outputs(program, outputs, place_of):
        code, sentence = collision(program, outputs, place_of)
        shown = (("your places", words_of(place_of)),)
        require(False, code, f"{sentence} (in {text_of(program)})", example=shown)
    return place_of


@exercise.check(points=3)
def test_the_numbers_stay_right(places, seed, budget):
    for program, outputs in programs(seed, budget):
        judge(places, program, outputs)


@exercise.check(points=2)
def test_no_place_is_wasted(places, seed, budget):
    for program, outputs in programs(seed, budget):
        place_of = judge(places, program, outputs)
        used, shown = len(set(place_of.values())), (("your places", words_of(place_of)),)
        fewest = len(set(planned(program, outputs).values()))
        apart = len(set(planned(program, outputs, in_place=False).values()))
        sentence = f"you use {counted(used, 'place')} where {fewest} would do, in {text_of(program)}"
        if used <= fewest:
            continue
        apart_all = f"{sentence}: here every array has one of its own; {one_that_fits(program, outputs)}"
        require(used != len(program), "no-reuse", apart_all, example=shown)
        in_place = f"{sentence}: add, subtract and tanh may write over an operand"
        require(used != apart, "not-in-place", in_place, example=shown)
        require(False, "too-many-places", sentence, example=shown)


@exercise.check(points=2)
def test_the_careless_planner_fails_on_the_counterexample(counterexample):
    program, outputs = checked_program(counterexample(), "counterexample()")
    require(len(program) <= MOST, "too-large", f"yours has {len(program)} steps; {MOST} are enough, and three would do")
    careless = planned(program, outputs, careless=True)
    twice = [name for name, _, _ in program if sum(name in reads for _, _, reads in program) > 1]
    sentence = f"the careless planner is right on {text_of(program)}"
    if not wrong_outputs(program, outputs, careless):
        require(bool(twice), "read-once", f"{sentence}: every array is read once, so the first reader is the last")
        require(False, "no-difference", f"{sentence}: nothing is written over {twice[0]} before it is read again")
