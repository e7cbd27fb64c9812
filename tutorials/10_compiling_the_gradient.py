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
# # 10 · Compiling the gradient
# *Outcome: you can compile a gradient, say what it must keep, and plan its memory. · 60 minutes*
#
# In tutorial 09 a function became a program. Its gradient is a function, too. What does that program look like?

# %%
import time

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## A gradient is a graph
#
# Take a layer with a tanh, a second one without, and a squared error. Inputs are placeholders: nothing has a value yet.

# %%
x, W = tl.placeholder((5, 4), name="x"), tl.placeholder((4, 3), name="W")
V, t = tl.placeholder((3, 2), name="V"), tl.placeholder((5, 2), name="t")
h = tl.tanh(x @ W)
d = h @ V - t
loss = tl.sum(d * d)
h.name, d.name, loss.name = "h", "d", "loss"
tl.draw(tl.Graph([x, W, V, t], [loss]))

# %% [markdown]
# The rules of the backward pass run on nodes as well as on numbers. On nodes they make new nodes.

# %%
slopes = tl.gradients(loss, [W, V])
slopes[0].name, slopes[1].name = "dW", "dV"
both = tl.Graph([x, W, V, t], [loss, *slopes])
print(sum(bool(node.parents) for node in tl.Graph([x, W, V, t], [loss]).nodes), "operations for the loss")
print(sum(bool(node.parents) for node in both.nodes), "operations with both gradients")

# %%
tl.draw(both)

# %% [markdown]
# Find `h` in the picture: the way forward goes through it, and the way back uses it. Here are the gradients as
# formulas:

# %%
tl.formula({"dL/dW": slopes[0], "dL/dV": slopes[1]})

# %% [markdown]
# ## One program for both
#
# Here it is first without any pass, in plain expressions.

# %% predict="10-tanh-calls"
tl.predict("10-tanh-calls")


# %%
def loss_and_gradients(x, W, V, t):
    h = tl.tanh(x @ W)
    d = h @ V - t
    loss = tl.sum(d * d)
    return [loss, *tl.gradients(loss, [W, V])]


rng = np.random.default_rng(0)
arrays = [rng.normal(size=shape) for shape in ((64, 32), (32, 48), (48, 8), (64, 8))]
plain = tl.compile(loss_and_gradients, passes=(), buffers=False)
plain(*arrays)
print(plain.source)

# %% [markdown]
# `np.tanh` is called once: its slope, 1 - h * h, is computed from the result. The passes of tutorial 09, which know
# nothing about gradients, then clean up the whole program:

# %%
compiled = tl.compile(loss_and_gradients, buffers=False)
compiled(*arrays)
print(compiled.source)

# %% predict="10-exp"
tl.predict("10-exp")

# %% [markdown]
# ## A gradient of a gradient
#
# A gradient is a graph, so it has a gradient, too. `tl.grad` turns a function into its gradient, which is a function
# again. So it can be used twice. Take $f(x) = x^4 - 3x^2 + x$:

# %% predict="10-second"
tl.predict("10-second")


# %%
def f(x):
    return x**4 - 3 * x**2 + x


slope, curvature = tl.grad(f), tl.grad(tl.grad(f))
print("f' (2) =", float(slope(2.0)), "  by hand", 4 * 2**3 - 6 * 2 + 1)
print("f''(2) =", float(curvature(2.0)), "  by hand", 12 * 2**2 - 6)

# %% [markdown]
# A second derivative says how far to go. Newton's method steps to $x - f'(x) / f''(x)$, and needs no learning rate.

# %%
newton, descent = [2.0], [2.0]
for _ in range(6):
    newton.append(newton[-1] - float(slope(newton[-1])) / float(curvature(newton[-1])))
    descent.append(descent[-1] - 0.02 * float(slope(descent[-1])))
print("step  Newton's slope  descent's slope")
for i, (a, b) in enumerate(zip(newton, descent, strict=True)):
    print(f"{i:>4}  {abs(float(slope(a))):>14.1e}  {abs(float(slope(b))):>15.1e}")

# %% [markdown]
# Near the end each step of Newton doubles the number of right digits. Descent loses a third of its slope each time.
#
# For many numbers the second derivatives form a matrix, the Hessian, which is far too large for a network. Its product
# with a vector is enough, and that is one more gradient.

# %% exercise="10-hvp"
hessian_vector = reference("10-hvp")

# %% [markdown]
# Two such products are the Hessian of a function of two numbers. Newton walks down a valley that is famous for being
# hard, $(1 - a)^2 + 100\,(b - a^2)^2$:


# %%
def rosenbrock(p):
    a, b = p[0], p[1]
    return (1 - a) ** 2 + 100 * (b - a**2) ** 2


try:
    p = np.array([-1.2, 1.0])
    for i in range(7):
        g = tl.grad(rosenbrock)(p)
        H = np.stack([hessian_vector(rosenbrock, p, e) for e in np.eye(2)], axis=1)
        print(f"step {i}: at ({p[0]:.4f}, {p[1]:.4f}) the gradient has length {np.linalg.norm(g):.1e}")
        p = p - np.linalg.solve(H, g)
except NotImplementedError:
    print("write hessian_vector, then run this cell again")

# %% [markdown]
# Gradient descent needs some thousands of steps there. And what does one such product cost for 400 numbers?

# %%
mixing = np.random.default_rng(1).normal(size=(400, 300)) / 20
at, direction = np.ones(400), np.ones(400)


def wavy(x):
    return tl.sum(tl.tanh(tl.reshape(x, (1, 400)) @ mixing))


try:
    gradient = tl.compile(tl.grad(wavy)).prepare(at)
    product = tl.compile(lambda x, v: hessian_vector(wavy, x, v)).prepare(at, direction)
    print(f"operations: gradient {gradient.graph.flops:,}, Hessian times vector {product.graph.flops:,}")
    print(f"the Hessian itself has {400 * 400:,} entries, and would take 400 such products")
except NotImplementedError:
    print("write hessian_vector, then run this cell again")

# %% [markdown]
# ## What must be kept
#
# An array that is made on the way forward and read on the way back stays in memory all the time in between. In a large
# network, such arrays take most of the memory. Which ones are they?

# %% predict="10-kept"
tl.predict("10-kept")

# %% [markdown]
# The answer is in the rules. A bar means "gradient of". Every array that a rule mentions must be kept.
#
# | operation | its rule |
# |---|---|
# | $y = a + b$ | $\bar a = \bar y$ and $\bar b = \bar y$ |
# | $y = \tanh x$ | $\bar x = \bar y\,(1 - y^2)$ |
# | $Y = A B$ | $\bar A = \bar Y B^\top$ and $\bar B = A^\top \bar Y$ |

# %% exercise="10-saved"
all_trained, only_last = reference("10-saved")

# %% [markdown]
# So freezing saves memory as well as time. In tutorial 11 almost everything is frozen.
#
# ## Or computed again
#
# An array that the way back reads need not be kept: it can be computed a second time. That costs time and saves memory.

# %% exercise="10-recompute"
computed_again, best_to_keep = reference("10-recompute")

# %% [markdown]
# Take a chain of twelve layers. The output of each takes one megabyte, and all are needed on the way back. How many
# layers run again if fewer outputs are kept?

# %%
chain = [(f"h{i}", "tanh", (f"h{i - 1}" if i else "x",)) for i in range(12)]
names = [name for name, _, _ in chain]
try:
    for every in (1, 2, 3, 4, 6):
        kept = names[::every]
        again = computed_again(chain, names, kept)
        print(f"every {every}: {len(kept):>2} MB are kept, and {len(again):>2} of 12 layers run again")
except NotImplementedError:
    print("write computed_again, then run this cell again")

# %% [markdown]
# ## How long an array lives
#
# An array is born in the line that makes it, and dies in the last line that reads it. Here is the compiled program from
# above, as a list of steps:


# %%
def steps_of(graph):
    """A graph as a program: (name, operation, names of what it reads). A transpose is only another view of an array."""

    def array(node):
        return array(node.parents[0]) if node.op.view and node.parents else node

    names = {}
    for node in graph.nodes:
        names[node] = node.name or f"t{len(names)}"
    made = [node for node in graph.nodes if node.parents and not node.op.view]
    program = [(names[n], str(n.op), tuple(names[array(p)] for p in n.parents if p.size > 1)) for n in made]
    return program, [names[n] for n in graph.outputs]


program, outputs = steps_of(compiled.graph)
for i, (name, operation, reads) in enumerate(program):
    print(f"step {i}: {name:<4} = {operation}({', '.join(reads)})")
print("outputs:", ", ".join(outputs))

# %% exercise="10-liveness"
lifetimes, most_alive = reference("10-liveness")


# %%
def draw_lives(spans, outputs):
    names = [f"{name}, output" if name in outputs else name for name in spans]
    chart = tl.Chart("From birth to the last reader", x="step", yticks=dict(enumerate(names)), ylim=(len(spans), -1))
    for row, (name, (first, last)) in enumerate(spans.items()):
        chart.boxes(first - 0.4, last + 0.4, row - 0.35, row + 0.35, series=int(name in outputs))
    return chart


try:
    spans = lifetimes(program, outputs)
    print(f"{len(spans)} arrays are made, and at most {most_alive(spans)} are alive at once")
except NotImplementedError:
    spans = {}
    print("write lifetimes and most_alive, then run this cell again")
draw_lives(spans, outputs) if spans else None

# %% [markdown]
# ## Take turns
#
# Arrays that never live at the same time can use the same memory. A result may even be written over an operand that
# dies in this same step, if the operation works number by number. A matrix product may not:

# %%
A = np.array([[1.0, 1.0], [1.0, 1.0]])
print("right:  ", (A @ A).tolist())
for row in range(2):
    for column in range(2):
        A[row, column] = sum(A[row, k] * A[k, column] for k in range(2))
print("in place:", A.tolist())

# %% [markdown]
# The second number is computed with the first, which is not the old one any more. Nothing crashes: that is the worst
# kind of mistake.

# %% exercise="10-reuse"
places, counterexample = reference("10-reuse")

# %% [markdown]
# Real arrays have different sizes. Each gets an interval of bytes for the steps of its life: a rectangle in the
# picture. No two rectangles may overlap. This is the compiler's plan for the program above. Where a bar goes on in the
# same color after a line, a result is written over its operand.

# %%
from tinygrad_lora.view import plots

planned = tl.compile(loss_and_gradients)
planned(*arrays)
plots.memory(planned)

# %%
print(planned.memory)
print(planned.source)

# %% [markdown]
# ## The whole step
#
# One thing is missing from a step of training: the update. It is arithmetic, so it belongs in the graph.

# %% exercise="10-step"
training_step = reference("10-step")

# %% [markdown]
# Here it is at work: the parameters go in, and the new ones come out.

# %%
from tinygrad_lora.data import digits

data = digits()
rng = np.random.default_rng(0)
start = [rng.normal(size=(64, 32)) / 8, np.zeros(32), rng.normal(size=(32, 10)) / 6, np.zeros(10)]
try:
    mine, arrays = tl.compile(training_step), start
    for epoch in range(31):
        for i in range(0, 1280, 128):
            value, *arrays = mine(data.x_train[i : i + 128], data.y_train[i : i + 128], *arrays)
        if epoch % 10 == 0:
            scores = np.tanh(data.x_test @ arrays[0] + arrays[1]) @ arrays[2] + arrays[3]
            print(f"epoch {epoch:>2}: loss {value:.3f}, {(scores.argmax(axis=1) == data.y_test).mean():.1%} right")
except NotImplementedError:
    print("write training_step, then run this cell again")

# %% [markdown]
# `tl.compile_training_step` does this for any model, loss and optimizer, and writes new parameters over the old ones.
# How much faster is that?

# %%
model = tl.Sequential(tl.Linear(64, 32, seed=0), tl.tanh, tl.Linear(32, 10, seed=1))
optimizer = tl.SGD(model.parameters(), lr=0.5)
step = tl.compile_training_step(model, tl.cross_entropy, optimizer)
batch, labels = data.x_train[:128], data.y_train[:128]


def by_hand():
    optimizer.zero_gradients()
    tl.cross_entropy(model(tl.constant(batch)), labels).backward()
    optimizer.step()


def median_time(run, times=200):
    """Seconds, in the middle of many runs."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


step(batch, labels)
eager, fast = median_time(by_hand), median_time(lambda: step(batch, labels))
print(f"by hand {eager * 1e6:.0f} microseconds, compiled {fast * 1e6:.0f}: {eager / fast:.1f} times as fast")

# %% [markdown]
# The times depend on your machine; the computed numbers are the same either way. The report counts what each pass
# changed, and the explorer shows each pass on the small network:

# %%
print(step.report)

# %%
tl.explore(planned)

# %% [markdown]
# ## What to take with you
#
# * A gradient is a graph. It can be drawn, compiled, and differentiated again.
# * Forward and backward in one program share their work. A Hessian times a vector costs about two gradients.
# * The backward pass keeps the arrays that its rules read, or computes them again.
# * Arrays that never live at the same time can share memory, if nobody reads one after it is overwritten.
#
# So far we trained all the parameters. Tutorial 11 asks how few are enough.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | A gradient is a graph; one program for both | 8 | |
# | A gradient of a gradient, `10-hvp` | 11 | 5 |
# | What must be kept, `10-saved` | 6 | 3 |
# | Or computed again, `10-recompute` | 10 | 6 |
# | How long an array lives, `10-liveness` | 8 | 4 |
# | Take turns, `10-reuse` | 10 | 7 |
# | The whole step, `10-step` | 7 | 6 |
#
# Thirty-one points in all. Short of time? Give `10-recompute` and `10-reuse` as homework, and show the memory lens.
#
# Likely mistakes, as diagnosis codes:
#
# * `v-outside` in `10-hvp`: H times ones, multiplied by v. It is right where the Hessian is diagonal, so one example is
#   not enough. `builds-the-matrix`: right, and useless for a network.
# * `input-for-output` in `10-saved`: the input of tanh. Write the slope as 1 - h * h.
# * `kept-for-the-frozen`: x, although W is frozen. Ask which rule reads it.
# * `one-level` in `10-recompute`: what must run again reads something that is gone, too. `past-the-kept`: nothing below
#   a kept array need run. `only-needed` and `greedy`: good guesses, and no proof.
# * `first-reader` in `10-liveness`: a dictionary that is filled once. `output-freed`: the caller reads last.
# * `ends-too-soon` in `most_alive`: a step needs its operands and its result at the same time.
# * `overwritten-alive` in `10-reuse`: the same mistake as `first-reader`, one exercise later.
# * `matmul-in-place`: show the loop that reads what it has just written. `not-in-place`: right, with a place too many.
# * `updated-too-soon` in `10-step`: W1 changes, then the gradient of b1 is taken. The loss falls all the same, which is
#   why nobody notices.
# * `exception` with a TraceError: `backward()` in a function that is traced. There are no numbers yet.
#
# From the zoo: `fuse_reused`. Compile `h + tanh(h)` with h = exp(x) inside the block: it is the careless planner again,
# in another place.
#
# Ask at the end: keep every k-th of n equal layers, and make one stretch between two of them again at a time. Which k
# needs the least memory? (The root of n: that is checkpointing.)
