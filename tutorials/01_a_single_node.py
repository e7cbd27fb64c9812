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
# # 01 · A single node
# *Outcome: you can say what a node stores, and read the graph that a formula builds. · 45 minutes*
#
# A neural network with a billion numbers is built from one kind of part: a node.
# Here we take one apart.
#
# What for? To **train** a network is to change its numbers, little by little, until its answers are better. For each
# number we must know which way to change it, and how much that helps. A derivative says just that: how fast the
# error changes when this number changes. A billion numbers have a billion derivatives, so we need a machine that finds
# them all. These tutorials build one, and the node is its first part.

# %%
import numpy as np

import tinygrad_lora as tl

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## One number
#
# What does Python remember after `6 * 7`? The 42, and nothing else. Nobody can ask the 42 where it came from.
# To compute derivatives we must be able to ask. So we put the number into a box that remembers: a **node**.

# %%
x = tl.parameter(6.0, "x")
x

# %% [markdown]
# `tl.parameter` makes a node that training may change. Its value is 6, and it has no gradient yet, hence the `-`.
# As a picture:

# %%
tl.draw(x, values=True, gradients=True)

# %% [markdown]
# ## A product
#
# Multiply two nodes. How many nodes are there now?

# %% predict="01-product"
tl.predict("01-product")

# %%
y = tl.parameter(7.0, "y")
z = x * y
tl.draw(z, values=True)

# %% [markdown]
# Three: `x`, `y`, and a new one for the product. The product holds 42, and it knows how it was made.
# This is all that it stores:

# %%
for name in ("op", "parents", "params", "shape", "dtype", "value", "gradient", "requires_gradient", "name"):
    print(f"{name:<18}{getattr(z, name)}")

# %% [markdown]
# | field | meaning | for `z` |
# |---|---|---|
# | `op` | the operation that made it | `multiply` |
# | `parents` | the nodes that it was made from, in order | `x` and `y` |
# | `params` | fixed numbers of the operation | none |
# | `shape`, `dtype` | what kind of array the value is | one number, `float64` |
# | `value` | the result | 42 |
# | `gradient` | filled later, by `backward()` | nothing yet |
# | `requires_gradient` | whether it depends on something that is trained | yes |
# | `name` | for people | none |
#
# Two of these make the graph: `op` and `parents`. The other fields describe what one node holds.
#
# A node points to its parents. The parents know nothing of it. Why that way around?
# A parent exists before its users, and more users may come at any time.

# %%
print(z.parents[0] is x, z.parents[1] is y)
print(x.parents)

# %% [markdown]
# `x` has no parents. Nodes without parents are called **leaves**.

# %% [markdown]
# ## Numbers in a formula
#
# What happens to the 3 in `3 * x`? It becomes a fixed number of the operation, not a node.
# The operation is called `scale`, and it has one parent.

# %%
t = 3 * x
print(t.op, t.params, len(t.parents), float(t))

# %% predict="01-scale"
tl.predict("01-scale")

# %% [markdown]
# Now your first exercise. Write the function, then run the cell below it: `check` tries it out, and says what is wrong
# if anything is. Are you stuck? `hint("01-build")`, in a cell of your own, shows the next of three hints.

# %% exercise="01-build"
polynomial = reference("01-build")

# %% [markdown]
# ## Three ways to see a graph
#
# The same graph can be read as text, as a picture and as DOT.
# Take $f = \tanh(x\,y) + x$ with small numbers.

# %%
x, y = tl.parameter(0.5, "x"), tl.parameter(2.0, "y")
f = tl.tanh(x * y) + x
f.name = "f"

# %% [markdown]
# **Text**: one line for each node, parents before children. Nodes without a name get a number, their place in the
# order, as in `%2`.

# %%
print(tl.listing(f, values=True))

# %% [markdown]
# **Picture**: one box for each node, one arrow for each use. Read it from the top down.

# %%
tl.draw(f, values=True)

# %% [markdown]
# **DOT**: the language that Graphviz draws from. These are its lines for the arrows; `n0` to `n4` are the boxes.

# %%
for line in tl.draw(f).source.splitlines():
    if "->" in line:
        print(line.split("[")[0].strip())

# %% [markdown]
# All three say that `x` has two users: the product, and the sum at the end.
# There are 5 nodes and 5 arrows.

# %% [markdown]
# Here is another graph, without its numbers. You will work them out.

# %%
x, y = tl.parameter(2.0, "x"), tl.parameter(-3.0, "y")
a = x * y
b = a + x
c = b * b
d = c - a
a.name, b.name, c.name, d.name = "abcd"
tl.draw(d)

# %% [markdown]
# The arrows into `d` carry the letters of its operands: in `a - b` the order counts.

# %% exercise="01-values"
values = reference("01-values")

# %% predict="01-sharing"
tl.predict("01-sharing")

# %% [markdown]
# ## Used twice, stored once
#
# How many nodes does `a * a` have? Two: `a`, and the product. How many arrows? Also two, both from `a`.

# %%
a = tl.parameter(3.0, "a")
square = a * a
print("parents:", [parent.name for parent in square.parents])
tl.draw(square, values=True)

# %% [markdown]
# This is called **sharing**. A formula on paper cannot show it: there `a` is written twice.
# A graph can, and the difference grows. Double a number ten times:

# %% predict="01-doublings"
tl.predict("01-doublings")

# %%
n = tl.parameter(1.0, "n")
doubled = n
for _ in range(10):
    doubled = doubled + doubled
print("value:", float(doubled))
print("nodes:", len(tl.Graph([], [doubled]).nodes))

# %% [markdown]
# The value is 1024, so the formula written out contains the letter `n` 1024 times. The graph has 11 nodes.

# %% exercise="01-count-nodes"
count_nodes = reference("01-count-nodes")

# %% exercise="01-edges"
edges = reference("01-edges")

# %% [markdown]
# ## A node without a value
#
# Must a node have a value? No: a placeholder has a shape and a type, but no number yet.

# %%
p = tl.placeholder((), name="p")
q = p * y + p
print(q)
print("known:", p.known, y.known, q.known)

# %% [markdown]
# The rule is short: **a node knows its value exactly when all its parents know theirs.**
# `y` is known and `p` is not, so nothing that is computed from `p` is known either. The graph is there all the same:

# %%
tl.draw(q)

# %% [markdown]
# Such a graph is a function written down as data. The next tutorial runs it.
#
# ## A node holds any array
#
# So far every value was one number. It can be an array of any shape, and nothing else changes.
# Here is the sum that this package is named after, in three operations: `matmul`, `scale` and `add`.

# %%
X = tl.constant(np.array([[1.0, 2.0]]), "X")
W = tl.parameter(np.array([[1.0, 0.0], [0.0, 1.0]]), "W", trainable=False)
A, B = tl.parameter(np.array([[1.0], [1.0]]), "A"), tl.parameter(np.array([[2.0, 3.0]]), "B")
output = X @ W + 0.5 * ((X @ A) @ B)
print(tl.listing(output, values=True))

# %% [markdown]
# `A` and `B` are trainable, `W` is frozen, `X` is a constant. The last line is $[4, 6.5]$:
# the input $[1, 2]$, which `W` leaves as it is, plus half of $[6, 9]$. That change is LoRA, the subject of tutorial 11.

# %%
tl.draw(output)

# %% [markdown]
# ## What to take with you
#
# * A node stores its operation, its parents, its value and, later, its gradient.
# * A formula on nodes builds a graph. Each operation adds one node.
# * A node that is used twice is stored once. It has two arrows.
# * A node knows its value when all its parents know theirs.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | One number; a product | 10 | |
# | Numbers in a formula, `01-build` | 10 | 4 |
# | Three ways to see a graph, `01-values` | 8 | 2 |
# | Sharing, `01-count-nodes` and `01-edges` | 12 | 3 + 3 |
# | Placeholders and arrays | 5 | |
#
# Twelve points in all. If time is short, leave out the last part: tutorials 02 and 05 come back to it.
#
# Likely mistakes, as diagnosis codes:
#
# * `left-the-graph` in `01-build`: the student writes `x.value`. Ask how a gradient should find its way back to `x`.
# * `square-of-product`: `(3 * x) ** 2`. Draw both graphs side by side.
# * `counted-twice` in `01-count-nodes` and `repeated` in `01-edges`: the walk forgets where it has been.
#   Let the student run it by hand on the picture of `a * a`.
# * `too-slow` in `01-count-nodes`: a set of nodes, and yet every path is walked. Forty doublings show it.
# * `edge-lost` in `01-edges`: a set of parents. This very mistake gives half the gradient of a square in tutorial 04.
#
# From the zoo: nothing yet. `naive_recursion` and `no_accumulate` belong to tutorial 04; both begin with `a * a`.
#
# Ask at the end: which graph has 3 nodes and 4 arrows? One answer is `b = a * a`, then `b * b`.
