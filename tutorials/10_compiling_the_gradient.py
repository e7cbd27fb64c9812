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

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## There and back
#
# A layer with a tanh, a second one without, and a squared error. Inputs are placeholders, so nothing has a value yet.

# %%
x, W = tl.placeholder((5, 4), name="x"), tl.placeholder((4, 3), name="W")
V, t = tl.placeholder((3, 2), name="V"), tl.placeholder((5, 2), name="t")
h = tl.tanh(x @ W)
d = h @ V - t
loss = tl.sum(d * d)
h.name, d.name, loss.name = "h", "d", "loss"
tl.draw(tl.Graph([x, W, V, t], [loss]))

# %% [markdown]
# `backward()` would have nothing to send back. But a rule of the backward pass can run on nodes as well as on numbers.
# Then it makes new nodes. **A gradient is a graph.**

# %%
slopes = tl.gradients(loss, [W, V])
slopes[0].name, slopes[1].name = "dW", "dV"
both = tl.Graph([x, W, V, t], [loss, *slopes])
print(sum(bool(node.parents) for node in tl.Graph([x, W, V, t], [loss]).nodes), "operations for the loss")
print(sum(bool(node.parents) for node in both.nodes), "operations with both gradients")

# %%
tl.draw(both)

# %% [markdown]
# Find `h` in the picture. The way there goes through it, and so does the way back: a mirror with a few bridges.
# What the engine derived reads better as formulas:

# %%
tl.formula({"dL/dW": slopes[0], "dL/dV": slopes[1]})

# %% [markdown]
# ## One program for both
#
# What the forward pass has computed, the backward pass need not compute again. Here is a program that does nothing
# clever: no pass, plain expressions.

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
# The passes of tutorial 09 know nothing of gradients. They see one graph, and clean it up:

# %%
compiled = tl.compile(loss_and_gradients, buffers=False)
compiled(*arrays)
print(compiled.source)

# %% [markdown]
# Count the calls of `np.tanh`. There is one. Its slope, 1 - h * h, is made from the result that is there already.

# %% predict="10-exp"
tl.predict("10-exp")

# %% [markdown]
# ## A gradient of a gradient
#
# If a gradient is a graph, it has a gradient. `tl.grad` makes a function of a function, so it can be used twice.
# Here is $f(x) = x^4 - 3x^2 + x$ with its first and second derivative.

# %% predict="10-second"
tl.predict("10-second")


# %%
def f(x):
    return x**4 - 3 * x**2 + x


slope, curvature = tl.grad(f), tl.grad(tl.grad(f))
print("f' (2) =", float(slope(2.0)), "  by hand", 4 * 2**3 - 6 * 2 + 1)
print("f''(2) =", float(curvature(2.0)), "  by hand", 12 * 2**2 - 6)

# %% [markdown]
# What is a second derivative good for? It says how far to go. Gradient descent needs a learning rate from you.
# Newton's method takes $x \leftarrow x - f'(x) / f''(x)$: it jumps to the lowest point of the parabola that fits best.

# %%
newton, descent = [2.0], [2.0]
for _ in range(6):
    newton.append(newton[-1] - float(slope(newton[-1])) / float(curvature(newton[-1])))
    descent.append(descent[-1] - 0.02 * float(slope(descent[-1])))
print("step  Newton's slope  descent's slope")
for i, (a, b) in enumerate(zip(newton, descent, strict=True)):
    print(f"{i:>4}  {abs(float(slope(a))):>14.1e}  {abs(float(slope(b))):>15.1e}")

# %%
grid = np.linspace(0.6, 2.1, 200)
figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
axes.plot(grid, [f(v) for v in grid], color="#555555")
for path, mark, color, name in ((newton, "o-", "#0072B2", "Newton"), (descent, "s--", "#D55E00", "descent")):
    axes.plot(path, [f(v) for v in path], mark, color=color, label=name)
axes.legend()
_ = axes.set(xlabel="x", ylabel="f(x)", title="Six steps from x = 2")

# %% [markdown]
# Near the end, each step of Newton squares the error: the exponent doubles. Descent loses about a third of its slope
# each time.
#
# With many numbers $x$, the second derivatives form a matrix, the Hessian. For a network it would never fit into
# memory. But what a method such as Newton's needs is its product with a vector, and that is one more gradient.

# %% exercise="10-hvp"
hessian_vector = reference("10-hvp")

# %% [markdown]
# Two products give the Hessian of a function of two numbers, column by column. So Newton can walk down a valley that
# is famous for being hard, $(1 - a)^2 + 100\,(b - a^2)^2$:


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
# What does such a product cost? Compile it, and count the operations of a larger example, with 400 numbers:

# %%
mixing = np.random.default_rng(1).normal(size=(400, 300)) / 20
at, direction = np.ones(400), np.ones(400)


def wavy(x):
    return tl.sum(tl.tanh(tl.reshape(x, (1, 400)) @ mixing))


try:
    gradient = tl.compile(tl.grad(wavy)).prepare(at)
    product = tl.compile(lambda x, v: hessian_vector(wavy, x, v)).prepare(at, direction)
    print(f"gradient {gradient.graph.flops:,}, Hessian times vector {product.graph.flops:,}")
    print(f"the Hessian itself has {400 * 400:,} entries, and would take 400 such products")
except NotImplementedError:
    print("write hessian_vector, then run this cell again")

# %% [markdown]
# And gradient descent on the famous valley? It needs patience:

# %%
p = np.array([-1.2, 1.0])
downhill = tl.compile(tl.value_and_grad(rosenbrock))
for _ in range(7_000):
    p = p - 0.001 * downhill(p)[1]
print(f"7,000 steps of gradient descent: ({p[0]:.4f}, {p[1]:.4f}), length {np.linalg.norm(downhill(p)[1]):.1e}")

# %% [markdown]
# ## What must be kept
#
# Back to the picture with the bridges. Each bridge is an array that was made on the way there, and is read on the way
# back. So it has to stay in memory all the time in between. In a large network these arrays are most of the memory.
#
# Which are they?

# %% predict="10-kept"
tl.predict("10-kept")

# %% [markdown]
# The answer stands in the rules. A bar means "gradient of".
#
# | operation | its rule |
# |---|---|
# | $y = a + b$ | $\bar a = \bar y$ and $\bar b = \bar y$ |
# | $y = \tanh x$ | $\bar x = \bar y\,(1 - y^2)$ |
# | $Y = A B$ | $\bar A = \bar Y B^\top$ and $\bar B = A^\top \bar Y$ |
#
# A rule that mentions an operand keeps that operand. One that mentions the result keeps the result.

# %% exercise="10-saved"
all_trained, only_last = reference("10-saved")

# %% [markdown]
# Freezing saves more than time: what nobody asks for need not be kept.
# You will meet this again in tutorial 11, where almost everything is frozen.

# %% [markdown]
# ## How long an array lives
#
# Which arrays are there at the same time? Read a program from top to bottom. An array is born in the line that makes
# it, and dies in the last line that reads it. Here is the compiled program from above, as a list of steps.


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
    return program, [names[n] for n in graph.outputs], {names[n]: n.size * n.dtype.itemsize for n in made}


program, outputs, sizes = steps_of(compiled.graph)
for i, (name, operation, reads) in enumerate(program):
    print(f"step {i}: {name:<4} = {operation}({', '.join(reads)})")
print("outputs:", ", ".join(outputs))

# %% exercise="10-liveness"
lifetimes, most_alive = reference("10-liveness")

# %% [markdown]
# With your function we can draw the lives of the arrays.


# %%
def draw_lives(spans, outputs):
    _, axes = plt.subplots(figsize=(6.8, 3.4), layout="constrained")
    for row, (name, (first, last)) in enumerate(spans.items()):
        color = "#D55E00" if name in outputs else "#0072B2"
        axes.barh(row, last - first + 0.8, left=first - 0.4, height=0.7, color=color)
    axes.set_yticks(range(len(spans)), list(spans))
    axes.invert_yaxis()
    return axes.set(xlabel="step", title="From birth to the last reader (orange: outputs)")


try:
    spans = lifetimes(program, outputs)
    _ = draw_lives(spans, outputs)
    print(f"{len(spans)} arrays are made, and at most {most_alive(spans)} are alive at once")
except NotImplementedError:
    print("write lifetimes and most_alive, then run this cell again")

# %% [markdown]
# ## Take turns
#
# Two arrays that never live at the same time can use the same memory. And a result may be written right over an
# operand that dies in this very step, if the operation works number by number.
#
# Why not a matrix product? Try it with a loop that writes into its own operand:

# %%
A = np.array([[1.0, 1.0], [1.0, 1.0]])
print("right:  ", (A @ A).tolist())
for row in range(2):
    for column in range(2):
        A[row, column] = sum(A[row, k] * A[k, column] for k in range(2))
print("in place:", A.tolist())

# %% [markdown]
# The first number is right. The second already reads the first, which is not the old one any more.
#
# A planner that is careless about such things gives wrong numbers now and then. Nothing crashes.
# That is the worst kind of mistake: so think first, and let the check try.

# %% exercise="10-reuse"
places, counterexample = reference("10-reuse")

# %% [markdown]
# In a real program arrays have different sizes. The idea stays: give each array an interval of bytes for the steps of
# its life, so that no two rectangles overlap. This is what the compiler did with the program above.

# %%
from tinygrad_lora.view import plots

planned = tl.compile(loss_and_gradients)
planned(*arrays)
plots.memory(planned)

# %%
print(planned.memory)

# %% [markdown]
# A bar that goes on in the same color, after a line, is a result that was written over its operand.
# The code says so as well: look for lines such as `t1 = t0`.

# %%
print(planned.source)

# %% [markdown]
# ## The whole step
#
# One thing is missing from a step of training: the update. It is arithmetic, so it belongs in the graph.

# %% exercise="10-step"
training_step = reference("10-step")

# %% [markdown]
# Your step, at work. The parameters go in, and the new ones come out.

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
# `tl.compile_training_step` does this for any model, loss and optimizer. It also writes the new parameters over the old
# ones. How much is gained? The same network, by hand and compiled:

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
# The numbers depend on your machine. And they are the same numbers: no network learns better or worse for it.
# The report counts what the passes and the planner found:

# %%
print(step.report)

# %% [markdown]
# And the explorer shows each pass on the gradient of the small network, forward and backward in one picture:

# %%
tl.explore(planned)

# %% [markdown]
# ## What to take with you
#
# * A gradient is a graph. It can be drawn, compiled, and differentiated again.
# * Forward and backward in one program share their work.
# * A Hessian times a vector costs about as much as a gradient or two. The Hessian is never built.
# * The backward pass keeps what its rules read: operands of products, results of tanh, nothing for sums.
# * Arrays that never live at once can share memory, if nobody reads what was written over.
#
# So far we trained all the parameters. Tutorial 11 asks how few are enough.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | There and back; one program for both | 9 | |
# | A gradient of a gradient, `10-hvp` | 13 | 5 |
# | What must be kept, `10-saved` | 8 | 3 |
# | How long an array lives, `10-liveness` | 9 | 4 |
# | Take turns, `10-reuse` | 13 | 7 |
# | The whole step, `10-step` | 8 | 6 |
#
# Twenty-five points in all. Short of time? Give `10-reuse` as homework, and show the memory lens.
#
# Likely mistakes, as diagnosis codes:
#
# * `v-outside` in `10-hvp`: H times ones, multiplied by v. It is right where the Hessian is diagonal, so one example is
#   not enough. `builds-the-matrix`: right, and useless for a network.
# * `input-for-output` in `10-saved`: the input of tanh. Write the slope as 1 - h * h.
# * `kept-for-the-frozen`: x, although W is frozen. Ask which rule reads it.
# * `first-reader` in `10-liveness`: a dictionary that is filled once. `output-freed`: the caller reads last.
# * `ends-too-soon` in `most_alive`: a step needs its operands and its result at the same time.
# * `overwritten-alive` in `10-reuse`: the same mistake as `first-reader`, one exercise later.
# * `matmul-in-place`: show the loop that reads what it has just written.
# * `not-in-place`: right, with one place too many.
# * `updated-too-soon` in `10-step`: W1 changes, then the gradient of b1 is taken. The loss falls all the same, which is
#   why nobody notices.
# * `exception` with a TraceError: `backward()` in a function that is traced. There are no numbers yet.
#
# From the zoo: `fuse_reused`. Compile `h + tanh(h)` with h = exp(x) inside the block: it is the careless planner again,
# in another place.
#
# Ask at the end: what could be computed again, instead of being kept? That is called checkpointing.
