r"""What to compute again

A program is a list of steps `(name, operation, names of what it reads)`. `needed` are the names of the arrays that the
backward pass reads. Each is kept, or computed again when its turn comes. Names that no step makes, such as "x", are
inputs, and always there. Write two functions:

* `computed_again(program, needed, kept)`: the steps that must run again if only the arrays in `kept` are kept, as a
  list of names in the order of the program. These are the needed arrays that are not kept; then what they read, unless
  it is kept or an input; and so on.
* `best_to_keep(program, needed, size, cost, budget)`: the list of the arrays to keep. They must fit into `budget`
  bytes, and what runs again must take as few operations as possible. `size[name]` are the bytes of an array, and
  `cost[name]` are the operations of its step. There are at most seven steps, so try every choice. An array that is not
  needed may be worth keeping, too.
"""

from tinygrad_lora.learn.authoring import (
    Diagnosis,
    Exercise,
    are,
    generators,
    refuse,
    require,
    returned,
    tell,
)

from ._programs import INPUTS, random_program, text_of

HINTS = (
    "Go through the program from its end. If a step must run again, which arrays does it need?",
    "Keep a set of wanted names, at first the needed ones. A step that is wanted and not kept runs again, and all that "
    "it reads is wanted from then on. For the choices: count from 0 to `2**n - 1`; bit i says whether array i is kept.",
    "`for name, _, reads in reversed(program): if name in wanted and name not in kept: again.append(name); "
    "wanted.update(reads)`, then turn the list around. Among the choices that fit, the one with the smallest sum of "
    "`cost` over `computed_again(...)` is the best.",
)
ABOUT = (
    "Memory can be bought with time: what is not kept is computed again, together with all that it needs, down to the "
    "nearest arrays that were kept. What pays is a small array on which much depends, so large networks keep one array "
    "for many layers."
)
NEXT = (
    "A chain of n equal layers: keep every k-th array, and compute the k - 1 between two kept ones when the way back "
    "reaches them. At which k is most memory saved?"
)
exercise = Exercise("10-recompute", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def computed_again(program, needed, kept):
    """The steps that must run again, in order."""
    wanted, again = set(needed), []
    for name, _, reads in reversed(program):
        if name in wanted and name not in kept:
            again.append(name)
            wanted.update(reads)
    return again[::-1]


@exercise.reference
def best_to_keep(program, needed, size, cost, budget):
    """The arrays to keep, so that the least must be computed again."""
    names = [name for name, _, _ in program]
    best, least = [], float("inf")
    for choice in range(2 ** len(names)):
        kept = [name for i, name in enumerate(names) if choice >> i & 1]
        work = sum(cost[name] for name in computed_again(program, needed, kept))
        if sum(size[name] for name in kept) <= budget and work < least:
            best, least = kept, work
    return best


@exercise.another("computed_again")
def down_from_the_needed(program, needed, kept):
    """From what is needed down to what it reads, by recursion, which turns back at all that is there."""
    reads_of, again = {name: reads for name, _, reads in program}, set()

    def run(name):
        if name in reads_of and name not in kept and name not in again:
            again.add(name)
            for read in reads_of[name]:
                run(read)

    for name in needed:
        run(name)
    return [name for name in reads_of if name in again]


@exercise.another("best_to_keep")
def one_decision_after_another(program, needed, size, cost, budget):
    """Decide about one array after another; where it no longer fits, half of the choices are never looked at."""

    def best(i, kept, left):
        if i == len(program):
            return sum(cost[name] for name in computed_again(program, needed, kept)), kept
        name = program[i][0]
        without = best(i + 1, kept, left)
        return min(without, best(i + 1, [*kept, name], left - size[name])) if size[name] <= left else without

    return best(0, [], budget)[1]


def again_of(program, needed, kept, *, stop=True, listed=False):
    """The steps that run again. Without `stop` the walk goes on below what is kept; `listed` counts that, too."""
    wanted, again = {*needed}, []
    for name, _, reads in reversed(program):
        if name in wanted and (name not in kept or not stop):
            again += [name] if name not in kept or listed else []
            wanted |= {*reads}
    return again[::-1]


TELLING = [
    ("t0", "matmul", ("x", "y")), ("t1", "tanh", ("t0",)), ("t2", "matmul", ("t1", "t1")), ("t3", "tanh", ("t2",)),
    ("t4", "add", ("t3", "t3")), ("t5", "tanh", ("x",)),
]  # fmt: skip
FORK = [("t0", "matmul", ("x", "y")), ("t1", "tanh", ("t0",)), ("t2", "add", ("t0", "x")), ("t3", "add", ("t1", "t2"))]


def cases(seed, budget):
    """Programs with what is needed, and something that is kept: first some on which each mistake shows."""
    yield TELLING, ["t1", "t4"], ["t1"]
    yield FORK, ["t1", "t2"], []
    for size, rng in generators(seed, budget):
        program, _ = random_program(rng, min(size + 2, 7))
        names = [name for name, _, _ in program]
        yield program, [n for n in names if rng.random() < 0.6] or names[-1:], [n for n in names if rng.random() < 0.4]


GUESSES = (
    ("one-level", "what these read is not there either",
     lambda program, needed, kept: [n for n, _, _ in program if n in needed and n not in kept]),
    ("past-the-kept", "what is kept need not run again, and so nothing below it for its sake",
     lambda program, needed, kept: again_of(program, needed, kept, stop=False)),
    ("kept-ignored", "nothing of it is used that was kept",
     lambda program, needed, kept: again_of(program, needed, kept, stop=False, listed=True)),
    ("everything", "some of these are not needed",
     lambda program, needed, kept: [n for n, _, _ in program if n not in kept]),
    ("everything", "some of these are not needed", lambda program, needed, kept: [n for n, _, _ in program]),
)  # fmt: skip


def demand(condition, code, sentence, shown):
    """Raise `Wrong` unless the condition holds, with the case as an example."""
    if not condition:
        tell(Diagnosis(code, sentence, example=tuple(shown.items())))


def names_in(answer, program, who):
    """The student's list of names. Raises `Wrong` for what is none."""
    answer = returned(answer, (list, tuple, set, frozenset), who, "a list of names is needed")
    made = {name for name, _, _ in program}
    for name in answer:
        if type(name) is not str:
            raise refuse("wrong-type", f"{who} gave {name!r} in its list; the names of steps are needed")
        require(name not in INPUTS, "inputs-counted", f"{who} gave {name!r}: it is an input, and always there")
        require(name in made, "foreign-name", f"{who} gave {name!r}, which no step makes")
    return list(answer)


def judge(answer, program, needed, kept):
    """One program: raise, and say what is wrong with the steps that run again."""
    answer, right = names_in(answer, program, "computed_again"), again_of(program, needed, kept)
    if answer == right:
        return
    sentence = f"{', '.join(right) or 'nothing'} must run again; yours: {', '.join(answer) or 'nothing'}"
    shown = {"program": text_of(program), "needed": ", ".join(needed), "kept": ", ".join(kept) or "nothing"}
    demand(len({*answer}) == len(answer), "repeated", f"{sentence}. Each step runs once, whoever reads it", shown)
    order = f"{sentence}. A step can run when what it reads is there: keep the order of the program"
    demand({*answer} != {*right}, "wrong-order", order, shown)
    for code, why, guess in GUESSES:
        demand({*answer} != {*guess(program, needed, kept)}, code, f"{sentence}: {why}", shown)
    for name, _, reads in program:
        lost = [read for read in dict.fromkeys(reads) if read in right and read not in answer]
        gap = f"{sentence}: {name} reads {' and '.join(lost)}, which {are(lost)} not there"
        demand(name not in answer or not lost, "missing-step", gap, shown)
    demand({*right} <= {*answer}, "missing-step", sentence, shown)
    demand(False, "extra-step", sentence, shown)


@exercise.check(points=3)
def test_what_runs_again_down_to_what_is_kept(computed_again, seed, budget):
    for program, needed, kept in cases(seed, budget):
        judge(computed_again(list(program), list(needed), list(kept)), program, needed, kept)


def work(program, needed, cost, kept):
    """The operations that run again."""
    return sum(cost[name] for name in again_of(program, needed, kept))


def works(asked, chosen):
    """The same for all that was asked, and what was chosen each time."""
    return [work(p, needed, cost, kept) for (p, needed, _, cost, _), kept in zip(asked, chosen, strict=True)]


def choices(names, size, budget):
    """Every set of these arrays that fits, as a list."""
    for choice in range(2 ** len(names)):
        kept = [name for i, name in enumerate(names) if choice >> i & 1]
        if sum(size[name] for name in kept) <= budget:
            yield kept


def best_of(program, needed, size, cost, budget, among=None, key=None):
    """The best that can be kept among some arrays, or by another measure."""
    names = [name for name, _, _ in program if among is None or name in among]
    return min(choices(names, size, budget), key=key or (lambda kept: work(program, needed, cost, kept)))


def greedy(program, size, budget, key, among=None):
    """One array after another as long as it fits, the best by this measure first."""
    kept, left = [], budget
    for name in sorted((name for name, _, _ in program if among is None or name in among), key=key):
        if size[name] <= left:
            kept, left = [*kept, name], left - size[name]
    return kept


FIRST = "is a good guess, and no proof"
NOT_THE_BEST = (
    ("only-needed", "an array that is not needed itself may be read by several that are",
     lambda p, n, s, c, b: best_of(p, n, s, c, b, among=n)),
    ("own-cost-only", "what is dropped runs again only where it is needed, and may need others that were "
                      "dropped: add up all that runs again, and nothing else",
     lambda p, n, s, c, b: best_of(p, n, s, c, b, key=lambda kept: -sum(c[name] for name in kept))),
    ("own-cost-only", "an array that is dropped may need others that were dropped: add up all that runs again",
     lambda p, n, s, c, b: best_of(p, n, s, c, b, among=n, key=lambda kept: -sum(c[name] for name in kept))),
    ("most-arrays", "as many arrays as fit are not those that take longest to make",
     lambda p, n, s, c, b: best_of(p, n, s, c, b, key=lambda kept: -len(kept))),
    *(("greedy", f"to take {what} first {FIRST}", lambda p, n, s, c, b, key=key, some=some: greedy(
        p, s, b, lambda name: key(s[name], c[name]), n if some else None))
      for some in (False, True)
      for what, key in (("the most expensive", lambda s, c: -c), ("the smallest", lambda s, c: s),
                        ("what takes most operations for each byte", lambda s, c: -c / s))),
    ("greedy", f"to take the arrays as they come {FIRST}", lambda p, n, s, c, b: greedy(p, s, b, lambda name: 0)),
    ("keeps-nothing", "nothing is kept, although something fits", lambda p, n, s, c, b: []),
)  # fmt: skip


APART = [(f"t{i}", "tanh", ("x",)) for i in range(4)]


def offers(seed, budget):
    """Programs with what is needed, sizes, costs and a budget: at first some on which no shortcut pays."""
    sizes, costs = {"t0": 60, "t1": 50, "t2": 50, "t3": 10}, {"t0": 65, "t1": 55, "t2": 55, "t3": 20}
    yield APART, [*sizes], sizes, costs, 100
    sizes, costs = {"t0": 16, "t1": 64, "t2": 64, "t3": 8}, {"t0": 900, "t1": 40, "t2": 30, "t3": 20}
    yield FORK, ["t1", "t2"], sizes, costs, 72
    sizes, costs = {f"t{i}": n for i, n in enumerate((24, 40, 40, 48, 8, 16))}, {
        f"t{i}": n for i, n in enumerate((500, 20, 450, 20, 30, 10))}  # fmt: skip
    yield TELLING, ["t1", "t3", "t4"], sizes, costs, 80
    for program, needed, _ in [*cases(seed, budget)][2:]:
        rng = next(generators(seed + len(program) + len(needed), 1))[1]
        names = [name for name, _, _ in program]
        sizes = {name: 8 * int(rng.integers(1, 9)) for name in names}
        costs = {name: int(rng.integers(1, 100)) for name in names}
        yield program, needed, sizes, costs, int(rng.integers(0, sum(sizes.values()) + 1))


@exercise.check(points=3)
def test_the_least_is_computed_again(best_to_keep, seed, budget):
    asked, answers = [*offers(seed, budget)], []
    for program, needed, size, cost, room in asked:
        answer = best_to_keep(list(program), list(needed), dict(size), dict(cost), room)
        answers.append({*names_in(answer, program, "best_to_keep")})
    for (program, needed, size, cost, room), kept in zip(asked, answers, strict=True):
        total = sum(size[name] for name in kept)
        shown = {"program": text_of(program), "needed": ", ".join(needed), "room": f"{room} bytes"}
        for what, numbers in (("bytes", size), ("operations", cost)):
            shown[what] = ", ".join(f"{name} {number}" for name, number in numbers.items())
        yours = f"you keep {', '.join(sorted(kept)) or 'nothing'}"
        demand(total <= room, "over-budget", f"{yours}: {total} bytes, and there is room for {room}", shown)
        best = best_of(program, needed, size, cost, room)
        done, least = (work(program, needed, cost, names) for names in (kept, best))
        if done == least:
            continue
        sentence = (
            f"{yours}, and {done} operations run again; with {', '.join(best)} it is {least}, within {room} bytes"
        )
        for code, why, guess in NOT_THE_BEST:
            guesses = [guess(*offer) for offer in asked]
            demand(works(asked, answers) != works(asked, guesses), code, f"{sentence}: {why}", shown)
        demand(False, "not-the-best", sentence, shown)
