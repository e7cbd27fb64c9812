# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 09 · A compiler in three passes
# *Outcome: you can turn a function into a graph, improve it, and print it as NumPy. · 60 minutes*
#
# A training step runs the same function ten thousand times. Must everything be worked out anew each time?

# %%
from timeit import repeat

import numpy as np

import tinygrad_lora as tl

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## What is there to save?
#
# Here is a function as people write it. It is clear, and it is wasteful.


# %%
def bump(x):
    return tl.exp(-(x * x)) * (x * x) + 2 * (x * x)


rng = np.random.default_rng(0)
numbers = rng.normal(size=100_000)
print(f"bump(1.0) = {float(bump(tl.constant(1.0))):.4f}")

# %% [markdown]
# The square of `x` is written three times. So it is computed three times: Python does what it is told.
# A person sees that at once. What would a program need to see it? It needs the whole function, as data.
#
# ## Trace
#
# We have that already. A graph is a function as data, and the way to it is short: call the function on a
# **placeholder**. That is a leaf without a value. It has a shape, so everything works, only without numbers.

# %%
x = tl.placeholder((), name="x")
y = bump(x)
print(x.known, y.known, y.op, len(y.parents))

# %% [markdown]
# `bump` does not notice. It multiplies and adds, and leaves a graph behind. This is **tracing**:

# %% predict="09-operations"
tl.predict("09-operations")

# %%
graph = tl.trace(bump, numbers)
print(graph)

# %%
tl.draw(graph)

# %% [markdown]
# Nothing of Python is left: no function, no brackets, no names of variables. There are just eight operations.
# What if `bump` had an `if x > 0`?

# %% predict="09-if"
tl.predict("09-if")

# %% [markdown]
# A placeholder has no value, so the question has no answer:

# %%
try:
    tl.trace(lambda x: x if x > 0 else -x, np.float64(1.0))
except tl.errors.TraceError as error:
    print(error)

# %% exercise="09-listing"
listing = reference("09-listing")

# %%
try:
    for row in listing(bump, "x"):
        print(row)
except NotImplementedError:
    print("write listing, then run this cell again")

# %% [markdown]
# ## Pass one: compute equal things once
#
# A **pass** is a function from a graph to a graph that means the same and costs no more.
# The first one looks for equal operations. Two operations are equal if they do the same to the same nodes.
# Then their results are equal, whatever `x` is. Nobody has to look at a number.

# %% exercise="09-cse"
merge_duplicates = reference("09-cse")

# %% [markdown]
# `using` puts your pass into the real compiler. Its report says what each pass has done:

# %%
try:
    with tl.using(merge_duplicates=merge_duplicates):
        compiled = tl.compile(bump, buffers=False).prepare(numbers)
except NotImplementedError:
    print("write merge_duplicates, then run this cell again; this is the engine's own:")
    compiled = tl.compile(bump, buffers=False).prepare(numbers)
print(compiled.report)

# %% [markdown]
# Merging removed two of the three squares. Then the next pass found something that nobody had promised:
# with one square instead of three, there is a common factor.
#
# That is how compilers work. Each pass is simple, and makes room for the next.
#
# ## Is your pass right?
#
# On `bump` it is. Is it right on other functions? Nobody can try them all, but a program can try many.
# `check_pass` makes random graphs, applies the pass, and compares every result with that of the original graph.

# %%
try:
    print(tl.check_pass(merge_duplicates, programs=100))
except NotImplementedError:
    print("write merge_duplicates, then run this cell again")

# %% [markdown]
# What about a wrong pass? This one believes that $\mathrm{relu}(a + b) = \mathrm{relu}(a) + \mathrm{relu}(b)$.
# Which two numbers would show that it is wrong? Write them down before you run the cell.


# %%
def split_relu(graph):
    def rule(node):
        match node:
            case tl.ComputationNode(tl.relu, [tl.ComputationNode(tl.add, [a, b])]):
                return tl.relu(a) + tl.relu(b)
        return None

    return graph.rewrite(rule)


try:
    tl.check_pass(split_relu)
except tl.errors.CounterexampleError as error:
    counterexample = error.counterexample
counterexample

# %% [markdown]
# One of the two is negative, and small whole numbers are enough. So this is not a law.
# Passing the check proves nothing: a pass may fail on a graph that nobody has tried. But a pass that fails is wrong.
#
# ## Pass two: fuse
#
# NumPy computes one operation at a time. Each reads its arrays from memory and writes a new one.
# So two cheap operations take about twice the time of one, although the second has its numbers at hand:

# %%
a, b = numbers, numbers.copy()


def fastest(f):
    """Microseconds for one call, the best of many."""
    return min(repeat(f, number=5, repeat=20)) / 5 * 1e6


print(f"a * b        {fastest(lambda: a * b):6.1f} microseconds")
print(f"a * b + a    {fastest(lambda: a * b + a):6.1f}")

# %% [markdown]
# An operation is **elementwise** if the number at some place depends on the numbers at that place alone.
# Two of them in a row can be one: for each place do both, and store the result. The array between is never needed.
#
# When is it never needed? Look at `tanh(x)` here. May it move into the line of `exp`?


# %%
def wave(x):
    t = tl.tanh(x)
    return tl.exp(t) + t


tl.draw(tl.trace(wave, np.ones(3)))

# %% predict="09-move"
tl.predict("09-move")

# %% [markdown]
# It has two users. If it moves into one of them, what does the other one read? The bug zoo has a compiler that moves
# it anyway. (Without `check=False`, the first call would be compared with the graph, and the mistake would be found.)

# %%
x = np.array([0.5, 1.0, 2.0])
print("right:", tl.compile(wave)(x).round(4))
with tl.bug("fuse_reused") as mistake:
    wrong = tl.compile(wave, buffers=False, check=False)
    print("wrong:", wrong(x).round(4))
print(wrong.source)
print(mistake)

# %% [markdown]
# So there are two conditions. Both operations are elementwise, and the result is used once.
# A result that is returned is used as well: by the caller.


# %%
def arrows(x, W, b):
    h = x @ W
    a = h + b
    t = tl.tanh(a)
    u = 2 * t
    v = t * u
    e = tl.exp(v)
    r = e - b
    return e, tl.sum(r)


tl.draw(tl.trace(arrows, np.ones((4, 3)), np.ones((3, 2)), np.ones(2)))

# %% exercise="09-fusible"
may_move = reference("09-fusible")

# %% [markdown]
# Now write a program that decides this for any graph.

# %% exercise="09-fuse"
fuse = reference("09-fuse")


# %%
def softened(x, W, b):
    h = tl.tanh(x @ W + b)
    return tl.sum(tl.exp(-h) + h)


shapes = (100, 20), (20, 30), (30,)
graph = tl.trace(softened, *map(np.ones, shapes))
try:
    for group in fuse(graph):
        print(", ".join(str(node.op) for node in group))
except NotImplementedError:
    print("write fuse, then run this cell again")

# %% [markdown]
# The engine agrees: one line for each of these groups.

# %%
compiled = tl.compile(softened, buffers=False).prepare(*map(np.ones, shapes))
print(compiled.source)

# %% [markdown]
# What does NumPy gain from a long line? The array in between has no name, so its memory is free at once, and is often
# used again in the same line. A compiler to machine code gains more: it makes one loop of each line.
#
# ## Pass three: print
#
# The last step makes a text. Each operation knows its NumPy line, with its operands as names:

# %%
for op in (tl.add, tl.tanh, tl.matmul, tl.scale):
    print(f"{op!s:<8} {op.numpy}")

# %% [markdown]
# These lines are the operations: the engine runs them, and the compiler prints them. So the two cannot differ.
# Put in the names, line by line, and you have the program.

# %% exercise="09-emit"
emit = reference("09-emit")


# %% [markdown]
# Does Python run it?


# %%
def layer(x, W):
    h = tl.tanh(x @ W)
    return h * h - h


graph = tl.trace(layer, np.ones((4, 3)), np.ones((3, 2)))
try:
    source = emit(graph)
    print(source)
    namespace = {"np": np}
    exec(source, namespace)
    x, W = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
    print("largest difference:", abs(namespace["program"](x, W) - graph(x, W)[0]).max())
except NotImplementedError:
    print("write emit, then run this cell again")

# %% [markdown]
# You have a compiler: trace, merge, fuse, print. The engine's own has about twenty passes, but the idea is the same.
#
# ## The whole compiler
#
# `explore` shows what the compiler did to a function: the graph before and after each pass, and the code.
# Click through the steps.

# %%
compiled = tl.compile(bump).prepare(numbers)
tl.explore(compiled)

# %% [markdown]
# Was it worth it? On your machine:

# %%
node = tl.constant(numbers)
print(f"as written  {fastest(lambda: bump(node)):6.0f} microseconds")
print(f"compiled    {fastest(lambda: compiled(numbers)):6.0f} microseconds")
print("largest difference:", abs(bump(node).value - compiled(numbers)).max())

# %% [markdown]
# Here is one more pass, which you will need later. Tutorial 11 multiplies `x` by a tall matrix `A` and a wide one, `B`.
# The brackets can be in two places. Which is cheaper?

# %% predict="09-brackets"
tl.predict("09-brackets")


# %%
def low_rank(x, A, B):
    return x @ (A @ B)


compiled = tl.compile(low_rank, buffers=False).prepare(*map(np.ones, ((64, 256), (256, 4), (4, 256))))
print(compiled.report)
print(compiled.source)

# %% [markdown]
# The large product of `A` and `B` is never built. The compiler knows only that $x (A B) = (x A) B$, and it counts
# operations.
#
# ## What to take with you
#
# * Tracing is calling a function on placeholders. What comes back is the function as data.
# * A pass is a function from a graph to a graph that means the same and costs no more.
# * A pass that makes one number wrong is wrong. `check_pass` looks for such a number.
# * Equal operations on equal nodes become one. Look at the new parents: one merge makes the next possible.
# * An elementwise result may move into the line of its user if nobody else needs it.
# * The program is text, one line for each operation or group. You can read it, and so you can check it.
#
# Gradients are graphs as well. Tutorial 10 compiles them.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | What is there to save?, Trace, `09-listing` | 12 | 4 |
# | Pass one, `09-cse`, Is your pass right? | 16 | 5 |
# | Pass two, `09-fusible`, `09-fuse` | 17 | 9 |
# | Pass three, `09-emit` | 10 | 4 |
# | The whole compiler | 5 | |
#
# Twenty-two points in all. Short of time? Give `09-emit` as homework; it does not depend on the others.
#
# Likely mistakes, as diagnosis codes:
#
# * `repeated` in `09-listing`: a walk over all paths. The diamond of tutorial 04 again.
# * `operand-lost`: a set or a dictionary of the parents. In `x * x` both are the same node.
# * `one-level` in `09-cse`: the key is made of the old parents. Show `tanh(3 * (x * x))` beside `exp(3 * (x * x))`.
# * `parameters-ignored`: `2 x` and `-0.5 x` become one. `order-ignored`: so do `x - y` and `y - x`.
# * `used-twice` in `09-fusible` and `09-fuse`: the mistake of `fuse_reused`. `x * x` has one user and two uses.
# * `is-output`: the caller is a user as well.
# * `too-careful`: right, but not worth it. A pass that does nothing is a pass, too.
# * `computed-twice` in `09-emit`: the text of the parents is put in, in place of their names.
# * `overwritten`: too few variables. Which can be used again? That is liveness, in tutorial 10.
#
# From the zoo: `fuse_reused`, shown above.
#
# Ask at the end: why may a compiler not decide to merge two calls of a function that draws random numbers?
