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
# # 04 · Order and accumulation
# *Outcome: you can send gradients back through any graph, and say why order matters. · 55 minutes*
#
# A node with two users gets two messages. What should it make of them? And when should it pass them on?

# %%
import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## Two users
#
# Take $a = x^2$ and $f = 3a + a x$, at $x = 2$. The node `a` is used twice, and `x` three times.


# %%
def example():
    x = tl.parameter(2.0, "x")
    a = x * x
    f = 3 * a + a * x
    a.name, f.name = "a", "f"
    return x, a, f


x, a, f = example()
tl.draw(f, values=True)

# %% predict="04-two-users"
tl.predict("04-two-users")

# %% [markdown]
# How much does `f` move when `a` moves by 1? There are two ways from `a` to `f`.
# One multiplies by 3, so `f` moves by 3. The other multiplies by `x`, so it moves by 2. Together that is 5.
#
# **A node's gradient is the sum of what its users send.** Each of these parts is called a share.

# %%
f.backward()
print("a:", float(a.gradient), " x:", float(x.gradient))

# %% [markdown]
# Is 24 right for `x`? A measurement decides:

# %%
h = 0.001
up, down = (3 * v**2 + v**3 for v in (2 + h, 2 - h))
print(f"f moves by {(up - down) / (2 * h):.3f} times the step")

# %% [markdown]
# ## A sum over paths
#
# There is another way to read the 24. A path leads from `x` up to `f`; multiply the slopes along it.
# Then add up all the paths.

# %%
tl.explain(x)

# %% [markdown]
# Five paths. Four of them are two pairs that look the same: `x * x` uses `x` twice, on the left and on the right.

# %% predict="04-paths"
tl.predict("04-paths")

# %% [markdown]
# ## Send it on at once?
#
# The shortest program that comes to mind calls itself. A node receives a share, adds it to what it has, and tells its
# parents.


# %%
def naive(node, share, gradients):
    gradients[node] = gradients.get(node, 0.0) + share
    if node.parents:
        values = [parent.value for parent in node.parents]
        shares = node.op.vjp(gradients[node], node.value, *values, **node.params)
        for parent, part in zip(node.parents, shares, strict=True):
            naive(parent, part, gradients)


gradients = {}
naive(f, 1.0, gradients)
print("a:", float(gradients[a]), " x:", float(gradients[x]))

# %% [markdown]
# `a` is right, and `x` is wrong: 36 instead of 24. What happened?
#
# `a` got 3 and told `x` at once. Then the 2 came, `a` had 5, and told `x` again. So the 3 went down twice.
# That is twelve too many: the 3, times the slope 4 of $x^2$.
#
# This mistake is in the **bug zoo**, a collection of well-known mistakes. Inside the block the engine makes it:

# %%
x, a, f = example()
with tl.bug("naive_recursion") as mistake:
    f.backward()
print(mistake)
print("\na:", float(a.gradient), " x:", float(x.gradient))

# %% [markdown]
# The mistake hides well: on most small examples the numbers are right. Can you find the smallest one where they are
# wrong?

# %% exercise="04-counterexample"
counterexample, harmless = reference("04-counterexample")

# %% [markdown]
# ## Send on only what is new?
#
# One repair comes to mind: a node passes on the share that has just come, not the sum.


# %%
def patient(node, share, gradients):
    """Like naive, but sends on only what is new. Returns the number of calls."""
    gradients[node] = gradients.get(node, 0.0) + share
    calls = 1
    if node.parents:
        values = [parent.value for parent in node.parents]
        shares = node.op.vjp(share, node.value, *values, **node.params)
        for parent, part in zip(node.parents, shares, strict=True):
            calls += patient(parent, part, gradients)
    return calls


x, a, f = example()
gradients = {}
calls = patient(f, 1.0, gradients)
print("x:", float(gradients[x]), "after", calls, "calls")

# %% [markdown]
# Right at last. But it made 10 calls for 5 nodes: it walks every path. What if there are many?
# A doubling, `x + x`, has two paths. Stacked, they multiply.

# %% predict="04-calls"
tl.predict("04-calls")


# %%
def doublings(n):
    node = tl.parameter(1.0, "x")
    for _ in range(n):
        node = node + node
    return node


lengths = np.arange(1, 12)
counted = np.array([patient(doublings(n), 1.0, {}) for n in lengths])
for n in (5, 8, 11):
    print(f"{n:>2} doublings: {n + 1:>2} nodes, {counted[n - 1]:>6,} calls")

# %%
chart = tl.Chart("Calls double, nodes do not", x="doublings", y="count", log="y")
chart.line(lengths, counted, "calls", points=True)
chart.line(lengths, lengths + 1, "nodes", points=True)

# %% [markdown]
# Forty doublings would take two trillion calls: at a million a second, 25 days.
# The engine does the same with one visit to each node:

# %%
last = doublings(40)
last.backward()
leaf = last
while leaf.parents:
    leaf = leaf.parents[0]
print(f"{float(leaf.gradient):,.0f} paths")

# %% [markdown]
# ## Wait
#
# How? It waits. A node sends nothing until its last share has arrived. Then it sends once.

# %%
x, a, f = example()
steps = tl.step_through(f)
steps

# %%
for event in list(steps)[6:17]:
    print(event)

# %% [markdown]
# Look at step 11: `a` has 2 and is "waiting for 1". In step 14 the 3 comes, in step 15 the 5 is complete.
# Only then, in steps 16 and 17, does `a` tell `x`.
#
# In which order must the nodes be visited, so that no share comes too late? Every user before its parents.
# Forward it was the other way around: parents before users. So **backward is a topological order, reversed**.

# %% exercise="04-topo"
topo_sort = reference("04-topo")

# %% [markdown]
# Now the walk itself. It is one loop.

# %% exercise="04-backward"
backward = reference("04-backward")

# %% [markdown]
# ## Your order in the engine
#
# Does it work on something real? Here is a network that reads handwritten digits; tutorial 06 explains its layers.
# `using` puts your function in place of the engine's own.

# %%
from tinygrad_lora.data import digits

data = digits()
model = tl.Sequential(tl.Linear(64, 16, seed=0), tl.tanh, tl.Linear(16, 10, seed=1))


def gradient_of_the_loss():
    loss = tl.cross_entropy(model(tl.constant(data.x_train)), data.y_train)
    model.reset_state()
    loss.backward()
    return model.get_parameter_gradients()


wanted = gradient_of_the_loss()
print(f"{wanted.size:,} gradients from {len(data.x_train):,} images")

# %%
try:
    with tl.using(topo_sort=topo_sort):
        found = gradient_of_the_loss()
    print("largest difference:", abs(found - wanted).max())
except NotImplementedError:
    print("write topo_sort, then run this cell again")

# %% [markdown]
# ## By hand, once
#
# A diamond is a graph in which two paths part and meet again. Here is one with a little more to it.

# %%
x, y = tl.parameter(2.0, "x"), tl.parameter(3.0, "y")
a = x * y
b = a - y
c = 2 * a
f = b * c
a.name, b.name, c.name, f.name = "abcf"
tl.draw(f)

# %% exercise="04-diamond"
diamond = reference("04-diamond")

# %% [markdown]
# Would you like more of these? `quiz` makes a graph from any name, and knows the answers. Type gradients into the
# boxes, and press Enter to see whether a number is right. Then try your own name.

# %%
question = tl.quiz(seed="Ada", blanks=2)
question

# %% [markdown]
# You can also answer in code. Here are two guesses, to see what it says:

# %%
question.check(a=1.0, b=0.0)

# %% predict="04-backward-again"
tl.predict("04-backward-again")

# %% [markdown]
# ## Backward, twice
#
# `backward()` adds to the gradients that are there. Why does it not start from zero?
# Because a batch may be too large for the memory. Then you can process it in parts, and the gradients add up:

# %%
half = len(data.x_train) // 2
model.reset_state()
for part in (slice(0, half), slice(half, None)):
    loss = tl.cross_entropy(model(tl.constant(data.x_train[part])), data.y_train[part])
    (0.5 * loss).backward()
in_parts = model.get_parameter_gradients()
print("the same as in one go:", bool(np.allclose(in_parts, wanted)))

# %% [markdown]
# This has a price: between two steps of training somebody must set the gradients to zero. If nobody does, the
# gradients of all past steps add up.

# %% exercise="04-twice"
twice = reference("04-twice")

# %% [markdown]
# ## What to take with you
#
# * A node's gradient is the sum of the shares that its users send.
# * It is also a sum over paths, but there are too many paths to walk.
# * Backward visits every node once, users before parents: a topological order, reversed.
# * `backward()` adds. Set the gradients to zero when you want to start over.
#
# So far every node held one number. In tutorial 05 it holds an array.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | Two users; a sum over paths | 8 | |
# | Send it on at once, `04-counterexample` | 12 | 4 |
# | Send on only what is new; wait | 8 | |
# | `04-topo` | 10 | 5 |
# | `04-backward`, your order in the engine | 10 | 4 |
# | By hand, `04-diamond` | 4 | 4 |
# | Backward, twice, `04-twice` | 3 | 2 |
#
# Nineteen points in all. Short of time? Give `04-diamond` and `04-twice` as homework.
#
# Likely mistakes, as diagnosis codes:
#
# * `only-leaf-shared` in `04-counterexample`: `x * x` with a leaf. Ask whom a leaf tells.
# * `parent-after-user` in `04-topo`: level by level from the output, then reversed. The first example shows it:
#   a short way and a long way from the same leaf.
# * `recursion`: right, but the deep graph is deeper than Python's stack. `too-slow`: the walk forgets where it was.
# * `overwritten` in `04-backward`: `=` for `+=`. Go back to the 3 and the 2 of the first picture.
# * `edge-lost`: `dict(zip(node.parents, shares))` in `x * x`. Tutorial 01 warned of it, in `edges`.
# * `forgot-params`: `**node.params` again, as in tutorial 02.
# * `missing-share` and `counted-twice` in `04-diamond`: one share alone, and naive recursion by hand.
# * `compounded` in `04-twice`: the 2 in `f.gradient` is not what the second call sends.
#
# From the zoo: `naive_recursion`, shown above, and `no_accumulate`. Let the class find an input for the second one:
# any node that is used twice.
#
# Ask at the end: on which graphs are all three programs right and fast? On trees, where every node has one user.
