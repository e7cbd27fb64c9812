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
# # 05 · Arrays
# *Outcome: you can write backward rules for arrays, and read a shape error. · 60 minutes*
#
# A network multiplies thousands of numbers. Does its graph need thousands of nodes? No: a node can hold an array.

# %%
import numpy as np

import tinygrad_lora as tl

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## One node, many numbers
#
# Take two samples with three numbers each, multiply them by two, and add everything up. How many nodes is that?

# %% predict="05-array"
tl.predict("05-array")

# %%
x = tl.parameter([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "x")
total = tl.sum(2 * x)
total.backward()
tl.draw(total, values=True, gradients=True)

# %% [markdown]
# Three. The gradient of `x` has the shape of `x`: one slope for each number. This law has no exceptions.
#
# An elementwise operation such as `tanh` works on each number alone. So its rule from tutorial 03 holds unchanged:
# `g * (1 - y * y)` reads the same for one number and for a million.

# %% [markdown]
# ## Broadcasting
#
# What happens when the shapes differ? Add three numbers to both rows:

# %%
b = tl.parameter([10.0, 20.0, 30.0], "b")
y = x + b
print(y.value)

# %% [markdown]
# NumPy repeats `b` for each row. This is called **broadcasting**. The rule: align the shapes from the right.
# A missing axis, or one of length 1, is repeated.

# %%
for shape in [(3,), (2, 1), (1, 3), (), (2,)]:
    try:
        print(f"(2, 3) and {shape!s:<7} give {np.broadcast_shapes((2, 3), shape)}")
    except ValueError:
        print(f"(2, 3) and {shape!s:<7} do not fit: the 3 meets the {shape[-1]}")

# %% [markdown]
# Now the way back. Let `g` say how much each number of `y` matters. How much does the first number of `b` matter?
# It was used twice, once in each row. A node with two users gets the sum of two shares, and so does a number:

# %%
g = np.array([[1.0, 2.0, 3.0], [0.5, 0.5, 0.5]])
b.zero_gradient()
y.backward(seed=g)
print("g summed over the rows:", g.sum(axis=0))
print("gradient of b:         ", b.gradient)

# %% [markdown]
# **What was repeated on the way forward is summed on the way back.**

# %% predict="05-repeated"
tl.predict("05-repeated")

# %% exercise="05-unbroadcast"
unbroadcast = reference("05-unbroadcast")

# %% [markdown]
# Every operation can broadcast. So the engine calls this one function after every rule, and no rule needs to care.
# With your own function in its place:

# %%
x, b = tl.parameter(np.arange(12.0).reshape(4, 3), "x"), tl.parameter(np.ones((1, 3)), "b")
try:
    with tl.using(unbroadcast=unbroadcast):
        tl.sum(x * b).backward()
    print(b.gradient, "are the sums of the columns of x")
except NotImplementedError:
    print("write unbroadcast, then run this cell again")

# %% [markdown]
# The zoo has an engine that forgets to do so. With that engine `b` gets a gradient for each row:

# %%
b.zero_gradient()
with tl.bug("no_unbroadcast"):
    tl.sum(x * b).backward()
print("gradient of shape", b.gradient.shape, "for a parameter of shape", b.shape)

# %% [markdown]
# ## All slopes at once
#
# A function from six numbers to six numbers has 36 slopes. As a table it is called the **Jacobian**:
# row $i$ and column $j$ say how far $y_i$ moves when $x_j$ moves. What does it look like?


# %%
from tinygrad_lora.view.chart import images


def jacobian(f, x, h=1e-6):
    """One column for each number of x, measured."""
    return np.stack([(f(x + step) - f(x - step)) / (2 * h) for step in h * np.eye(len(x))], axis=1)


rng = np.random.default_rng(0)
point, weight = rng.normal(size=6), rng.normal(size=(6, 6))
functions = {
    "tanh(x)": np.tanh,
    "x - mean(x)": lambda x: x - x.mean(),
    "softmax(x)": lambda x: np.exp(x) / np.exp(x).sum(),
    "x @ W": lambda x: x @ weight,
}
tables = [jacobian(f, point) for f in functions.values()]
images(tables, list(functions), colors="signed", size=96, x="x_j", y="y_i")

# %% [markdown]
# Orange is positive, blue is negative, and an empty cell is zero. Each operation has its pattern:
#
# * `tanh` has a diagonal: each output depends only on its own input.
# * `x - mean(x)` also has a small constant off the diagonal, since each number is part of the mean.
# * `softmax`: when one score rises, its own share rises and all the others fall.
# * `x @ W` has `W`, transposed.
#
# The chain rule for arrays multiplies by this table: $\bar x_j = \sum_i \bar y_i\,\partial y_i / \partial x_j$.
# It is a row vector times a matrix: a **vector-Jacobian product**, or vjp. But nobody builds the table.

# %%
n = 100 * 100
print(f"an image of 100 x 100: {n:,} numbers, a table of {n * n:,}")
g = rng.normal(size=6)
y = np.tanh(point)
print("the rule agrees with the table:", np.allclose(g * (1 - y * y), g @ jacobian(np.tanh, point)))

# %% [markdown]
# A backward rule is the product with the table, worked out on paper once. The table of `tanh` is diagonal, so
# `g @ table` is `g * diagonal`.

# %% [markdown]
# ## The matrix product
#
# The most important operation of all: $Y = A B$. One element of it is
#
# $$y_{ij} = \sum_k a_{ik}\,b_{kj}$$
#
# Who uses $a_{ik}$? Every $y_{ij}$ of its row, and each with the slope $b_{kj}$. So its gradient is a sum over $j$:
#
# $$\bar a_{ik} = \sum_j \bar y_{ij}\,b_{kj}$$
#
# That looks like a matrix product again. Of which matrices? Let the shapes help.

# %%
a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
g = rng.normal(size=(2, 4))
print("a", a.shape, "  b", b.shape, "  y and g", (a @ b).shape)
for told, left, right in [("g @ b", g, b), ("g @ b.mT", g, b.mT), ("b @ g", b, g), ("b.mT @ g.mT", b.mT, g.mT)]:
    fits = left.shape[1] == right.shape[0]
    print(f"{told:<12}", (left @ right).shape if fits else "does not fit")

# %% [markdown]
# Only one of the four gives the shape of `a`. Shapes do not prove a rule, but they leave few choices.

# %% exercise="05-matmul"
matmul_vjp = reference("05-matmul")

# %% [markdown]
# ## Sums and means
#
# A sum makes an array smaller; its backward rule makes it larger again. The gradient of a sum goes to every number that
# was added.

# %%
x = tl.parameter([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "x")
rows = tl.sum(x, axis=1)
rows.backward(seed=np.array([1.0, -1.0]))
print("sums of the rows:", rows.value)
print(x.gradient)

# %% [markdown]
# This is broadcasting in reverse: **what was summed on the way forward is repeated on the way back.**

# %% predict="05-sum"
tl.predict("05-sum")

# %% exercise="05-sum-mean"
sum_vjp, mean_vjp = reference("05-sum-mean")

# %% [markdown]
# ## When shapes do not fit
#
# Sooner or later everybody multiplies the wrong way around. The error keeps the graph up to the place where it broke:

# %%
from tinygrad_lora.view import failure

x = tl.parameter(np.ones((3, 4)), "x")
weight = tl.parameter(np.ones((2, 4)), "weight")
hidden = tl.tanh(2 * x)
hidden.name = "hidden"
try:
    hidden @ weight
except ValueError as problem:
    told = failure(problem)
told

# %% [markdown]
# The dashed box is the node that could not be made. The message names both operands and the two sizes that must agree.
# If a transpose would help, it says so.

# %%
print(told.message)
print("Remedy:", told.remedy)

# %% [markdown]
# Worse than an error is no error. With a column of predictions and a row of targets nothing breaks.
# There should be three differences; how many are there?

# %% predict="05-differences"
tl.predict("05-differences")

# %%
prediction, target = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0])
print((prediction - target).shape, "mean square", np.mean((prediction - target) ** 2))

# %% [markdown]
# Nine. Every prediction is exactly right, and the "error" is 1.33. That is why `tl.mse` refuses shapes that differ.

# %% exercise="05-repair"
scores, similarities, shifted, centered, squared_error = reference("05-repair")

# %% [markdown]
# ## Softmax
#
# Here is a last rule, which many people get wrong. Softmax turns scores into probabilities:

# %%
logits = np.array([1.0, 2.0, 0.5])
probabilities = tl.softmax(logits)
print(probabilities.round(3), "sum", probabilities.sum().round(3))

# %% [markdown]
# Raise one score, and its probability rises. The others must fall, because the sum stays 1. So the Jacobian is full:

# %%
table = jacobian(tl.softmax, logits)
print(table.round(3))
print("each column sums to", abs(table.sum(axis=0)).round(6))

# %% [markdown]
# The diagonal alone is not enough, and the whole table is too large. On paper the product becomes short.

# %% exercise="05-softmax"
softmax_vjp = reference("05-softmax")

# %% [markdown]
# This engine has no rule for softmax at all. Softmax is written in operations that have rules, and its gradient
# follows:

# %%
x, g = tl.placeholder((1, 3), name="x"), tl.placeholder((1, 3), name="g")
y = tl.softmax(x)
tl.formula({"gradient": tl.gradients(y, x, seed=g)})

# %% [markdown]
# ## What to take with you
#
# * A gradient has the shape of its array.
# * What is repeated forward is summed backward; what is summed forward is repeated backward.
# * The Jacobian holds all slopes. A backward rule is the product with it, and never builds it.
# * For a matrix product, the shapes almost determine the rule.
# * A shape error helps you. A shape that fits by accident does not.
#
# Operations are small. Tutorial 06 puts them together into layers.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | One node, many numbers; broadcasting | 10 | |
# | `05-unbroadcast` | 12 | 5 |
# | All slopes at once | 7 | |
# | The matrix product, `05-matmul` | 8 | 4 |
# | Sums and means, `05-sum-mean` | 8 | 4 |
# | When shapes do not fit, `05-repair` | 8 | 5 |
# | Softmax, `05-softmax` | 7 | 4 |
#
# Twenty-two points in all. Short of time? Give `05-repair` as homework: it needs no explanation.
#
# Likely mistakes, as diagnosis codes:
#
# * `stretched-axis` in `05-unbroadcast`: only the missing axes are summed. Draw shape (2, 1) as a column.
# * `reshaped`: the numbers are right, but the axis of length 1 is gone. `keepdims=True`.
# * `mean-for-sum`: a feeling that a batch should not change the size. That is the business of the loss.
# * `transposed-operand` in `05-matmul`: `g @ b`. Square matrices hide it, so always try with three different sizes.
# * `order-of-factors`: `b.mT @ g`. Right in school, where products commute.
# * `wrong-axis` in `05-sum-mean`: `np.broadcast_to(g, x.shape)` aligns from the right. On a square nothing breaks.
# * `all-elements`: divided by `x.size`. Ask how many numbers went into one mean.
# * `accidental-broadcast` in `05-repair`: (n, 1) minus (n,). The most expensive silent mistake of the field.
# * `diagonal-only` in `05-softmax`: the rule of the sigmoid. Point at the full heat map.
#
# From the zoo: `no_unbroadcast`, shown above. It hides while all shapes are equal.
#
# Ask at the end: which rule is its own mirror? The transpose. Which two are each other's? Sum and broadcasting.
