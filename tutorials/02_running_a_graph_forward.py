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
# # 02 · Running a graph forward
# *Outcome: you can compute every value of a graph, and say which orders work. · 45 minutes*
#
# A graph says what is computed. It does not say when. Who decides?

# %%
from itertools import permutations
from math import tanh

import numpy as np

import tinygrad_lora as tl

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## A function as data
#
# Here is a function of two numbers. `tl.trace` calls it once, on placeholders, and keeps the graph.


# %%
def f(x, y):
    return tl.tanh(x * y) + x * x


graph = tl.trace(f, np.float64(0.5), np.float64(2.0))
print(graph)

# %% [markdown]
# Six nodes, and not one number. The two examples only told `trace` the shapes.

# %%
tl.draw(graph)

# %% [markdown]
# Now the graph is a function. Call it on numbers, as often as you like:

# %%
for x, y in [(0.5, 2.0), (1.0, 1.0), (0.0, 3.0)]:
    (value,) = graph(x, y)
    print(f"f({x}, {y}) = {value:.4f}")

# %% [markdown]
# ## Step by step
#
# What happens in such a call? One node after another gets its value. Watch it, with x = 0.5 and y = 2:

# %%
steps = tl.step_through(graph, 0.5, 2.0)
steps

# %% [markdown]
# In a notebook this is a player: press the right arrow key. These are the same steps as text:

# %%
print(steps)

# %% [markdown]
# `%2` is 0.5 times 2, so 1. The result `%5` is 1.012.
#
# Why can step 3 be computed? Because `x` and `y` have their values by then. That is the whole rule:
# **a node can be computed as soon as all its parents have been.**

# %% [markdown]
# Now you are the engine. Fill in the three values: type into the boxes, and press Enter to see whether a number is
# right.

# %%
x, y = tl.parameter(3.0, "x"), tl.parameter(-2.0, "y")
p = x * y
q = p + x
r = q * p
p.name, q.name, r.name = "p", "q", "r"
tl.quiz(r, ask="values")

# %% predict="02-step"
tl.predict("02-step")

# %% exercise="02-evaluate"
evaluate = reference("02-evaluate")

# %% [markdown]
# ## A wrong order
#
# Let us write down the four operations of `f` as a recipe, each under a name of its own.

# %%
recipe = {
    "p": lambda known: known["x"] * known["y"],
    "q": lambda known: known["x"] * known["x"],
    "t": lambda known: tanh(known["p"]),
    "f": lambda known: known["t"] + known["q"],
}


def follow(order):
    """Follow the recipe in this order: the result, or where it stops."""
    known = {"x": 0.5, "y": 2.0}
    for step in order:
        try:
            known[step] = recipe[step](known)
        except KeyError as missing:
            return f"stops at {step}: there is no {missing.args[0]} yet"
    return f"f = {known['f']:.4f}"


print("p q t f:", follow("pqtf"))
print("t p q f:", follow("tpqf"))

# %% [markdown]
# The second order stops at once. It asks for the tanh of a number that nobody has computed.
#
# How many orders are there, and how many of them work?

# %% predict="02-orders"
tl.predict("02-orders")

# %%
orders = ["".join(order) for order in permutations("pqtf")]
working = [order for order in orders if follow(order).startswith("f =")]
print(len(orders), "orders,", len(working), "work:", working)
print({follow(order) for order in working})

# %% [markdown]
# Three of 24 work. All three give the same number, so it does not matter which one we take.
# An order that works is called a **topological order**: parents before children.
#
# Must we try them all to find one? No: we can see it from the graph alone, without computing anything.

# %% exercise="02-valid"
is_valid = reference("02-valid")

# %% [markdown]
# `graph.nodes` is such an order. How the engine finds it is the first exercise of tutorial 04.

# %%
for place, node in enumerate(graph.nodes):
    print(place, node.name or node.op, "after", [graph.nodes.index(parent) for parent in node.parents])

# %% [markdown]
# Every number on the right is smaller than the one on the left. That is what "topological" means.

# %% [markdown]
# ## From a picture to a graph
#
# You have read pictures made from code. Now the other way around.

# %%
from tinygrad_lora.learn.cases import puzzle

tl.draw(puzzle())

# %% exercise="02-rebuild"
rebuild = reference("02-rebuild")

# %% [markdown]
# ## What sharing saves
#
# A node with two users is computed once. Its value is then read twice. How much is that worth?
# Square a number four times, which gives its 16th power:

# %% predict="02-squarings"
tl.predict("02-squarings")


# %%
def power(x):
    for _ in range(4):
        x = x * x
    return x


squares = tl.trace(power, np.float64(1.1))
print(tl.formula(squares), "in", squares.flops, "multiplications")
tl.draw(squares)

# %% [markdown]
# It takes four multiplications. Written out, the power is $x \cdot x \cdot x \cdots$, and each squaring doubles the
# number of letters:

# %%
letters = 1
for _ in range(4):
    letters = letters + letters
print(letters, "letters, so", letters - 1, "multiplications")

# %% [markdown]
# There are also 16 paths from `x` to the result: two ways into each of the four boxes.
# A walk over paths instead of nodes meets `x` 16 times.

# %% exercise="02-multiplications"
answers = reference("02-multiplications")

# %% predict="02-eager"
tl.predict("02-eager")

# %% [markdown]
# ## Forward as you write
#
# Do we always trace first? No. With parameters or constants every node gets its value the moment it is made.
# Python's own order of execution is then the topological order.

# %%
x, y = tl.parameter(0.5, "x"), tl.parameter(2.0, "y")
p = x * y
print(p.known, float(p))
t = tl.tanh(p)
print(t.known, round(float(t), 4))

# %% [markdown]
# This is called **eager**, and the traced graph is called **symbolic**. Both come from the same function `f`:

# %%
print(f"{float(f(x, y)):.4f}", f"{graph(0.5, 2.0)[0]:.4f}")

# %% [markdown]
# ## What to take with you
#
# * A graph is a function as data: the same graph works for any numbers.
# * A node can be computed when all its parents have been.
# * Every topological order gives the same values.
# * A shared node is computed once, so count nodes, not paths.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | A function as data; step by step | 8 | |
# | `02-evaluate` | 10 | 4 |
# | A wrong order, `02-valid` | 12 | 4 |
# | From a picture to a graph, `02-rebuild` | 7 | 3 |
# | What sharing saves, `02-multiplications` | 5 | 2 |
# | Forward as you write | 3 | |
#
# Thirteen points in all.
#
# Likely mistakes, as diagnosis codes:
#
# * `forgot-params` in `02-evaluate`: `**node.params` is missing. Go back to `3 * x` in tutorial 01: where is the 3?
# * `changed-argument`: the values are written into `inputs`. Ask what a second call with the same `inputs` would do.
# * `recursion`: the function calls itself for the parents. It works on small graphs, and ignores the order it is given.
# * `one-parent-only` in `02-valid`: only the first parent is looked at. Ask for an order with the second one missing.
# * `not-shared` in `02-rebuild`: `tl.tanh(...)` is written twice. The values agree, the graphs do not.
# * `twice-per-step` in `02-multiplications`: 20 in place of 1023. Let the student fill in 1, 3, 7, 15 by hand.
#
# From the zoo: `naive_recursion` is the mistake of counting paths. It belongs to tutorial 04, but can be named here.
#
# Ask at the end: which graph has only one valid order? One in which each node uses the one before it.
