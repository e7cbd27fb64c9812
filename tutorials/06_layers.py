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
# # 06 · Layers
# *Outcome: you can write a layer, freeze it, and give it a good start. · 55 minutes*
#
# A small network that reads digits has thousands of parameters. Who keeps track of them?

# %%
import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## A function with numbers of its own
#
# A layer is a function of nodes that owns parameters. To make one, say which parameters it has, and what it computes.


# %%
class Shift(tl.Layer):
    """y = x + offset."""

    def __init__(self, size):
        self.offset = tl.parameter(np.zeros(size))

    def __call__(self, x):
        return x + self.offset


shift = Shift(3)
shift

# %% [markdown]
# The rest follows. The layer has a forward pass and a backward pass on arrays, although nobody wrote a backward pass:

# %%
y = shift.forward([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
x_gradient = shift.backward(np.ones((2, 3)))
print("offset.gradient", shift.offset.gradient)
print("of the input   ", x_gradient.tolist())

# %% [markdown]
# Why is the gradient of the offset 2 everywhere? The offset was repeated for two rows, as in tutorial 05.
# Your code became a graph, and gradients can be sent back through any graph.
#
# The layer also knows its parameters by name. One step of training is a subtraction:

# %%
shift.update_parameters(learning_rate=0.1)
for name, p in shift.named_parameters().items():
    print(name, p.value)

# %% predict="06-offset"
tl.predict("06-offset")

# %% [markdown]
# The most common layer multiplies its inputs by a matrix: each output is a weighted sum of all inputs, plus a number.

# %% exercise="06-linear"
Linear = reference("06-linear")

# %% [markdown]
# ## Layers in layers
#
# A network is a layer made of layers. `Sequential` runs them one after the other; a member may also be a function.

# %%
model = tl.Sequential(tl.Linear(64, 32, seed=0), tl.relu, tl.Linear(32, 10, seed=1))
tl.draw(model)

# %% predict="06-count"
tl.predict("06-count")

# %% [markdown]
# Inside it is a graph like any other. Each box around a few nodes is a layer.
# And who keeps track of the parameters? The tree of layers does:

# %%
tl.parameter_tree(model)

# %% [markdown]
# How does a layer find its parameters? Nobody registered anything. It looks at its attributes, and at theirs if they
# are layers. (`_run` is what `forward` remembers for `backward`.)

# %%
print(list(vars(shift)))
print(list(model.named_parameters()))

# %% exercise="06-parameters"
named_parameters = reference("06-parameters")

# %% [markdown]
# ## Freezing
#
# Not every parameter must learn. A **frozen** one keeps its value, and the backward pass does not even visit it.
# Here is a small network. How many shares of a gradient does it send on when a part of it is frozen?

# %% predict="06-which-saves"
tl.predict("06-which-saves")

# %%
small = tl.Sequential(tl.Linear(2, 2, seed=0), tl.tanh, tl.Linear(2, 1, seed=1))
x = tl.constant([[1.0, -1.0]], "x")


def backward_steps():
    """How often a share of a gradient is sent on."""
    events = tl.step_through(tl.sum(small(x)))
    return sum(event.phase == "backward" and event.kind == "contribute" for event in events)


print("all trainable:", backward_steps(), "shares")
small[0].freeze()
print("first frozen: ", backward_steps(), "shares")
small.unfreeze()
small[2].freeze()
print("second frozen:", backward_steps(), "shares")

# %% [markdown]
# Both layers have a weight and a bias. Yet freezing the first saves more than freezing the second. Why?
# A look at the graph, with the second layer frozen:

# %%
loss = tl.sum(small(x))
loss.backward()
tl.draw(loss, gradients=True)

# %% [markdown]
# The gradient must pass *through* the second layer, frozen or not, to reach the first.
# Below a frozen first layer there is nothing to reach.

# %% exercise="06-freezing"
products, visited = reference("06-freezing")

# %% [markdown]
# Tutorial 11 will do just that: freeze a large network, and train a few numbers beside it.

# %% [markdown]
# ## The start
#
# Parameters must start somewhere. Zero would be simple. What would happen?

# %%
zeros = tl.Sequential(tl.Linear.from_arrays(np.zeros((4, 3)), np.zeros(3)), tl.tanh, tl.Linear(3, 1, seed=0))
zeros[2].weight.value = np.ones((3, 1))
zeros.forward(np.arange(8.0).reshape(2, 4))
zeros.backward(np.ones((2, 1)))
print(zeros[0].weight.gradient)

# %% [markdown]
# All columns are alike. The three units get the same gradient, so they will be alike after every step: three units
# do the work of one. So we start at random. But how large?
#
# Send random numbers through 20 layers of ReLU, and watch their mean square.


# %%
def through_layers(spread, depth=20, width=100):
    """The mean square after each layer, if the weights have this standard deviation."""
    rng = np.random.default_rng(0)
    x, sizes = rng.normal(size=(500, width)), []
    for _ in range(depth):
        x = np.maximum(x @ (spread * rng.normal(size=(width, width))), 0)
        sizes.append((x**2).mean())
    return sizes


chart = tl.Chart("Too large explodes, too small vanishes", x="layer", y="mean square", log="y")
for spread in (0.25, 0.1, 0.05):
    sizes = through_layers(spread)
    chart.line(range(1, 21), sizes, f"standard deviation {spread}", points=True)
    print(f"{spread:<5} after one layer {sizes[0]:.3f}, after 20 layers {sizes[-1]:.0e}")
chart

# %% [markdown]
# Every layer multiplies by the same factor, so 20 layers take its 20th power. Only a factor of 1 survives that.
#
# Which factor is it? A sum of $n$ terms $x_i w_i$ has $n$ times the mean square of one term.
# ReLU then sets one half of them to zero. With $n = 100$ and a standard deviation of 0.1:

# %% predict="06-factor"
tl.predict("06-factor")

# %%
n, spread = 100, 0.1
factor = n * spread**2 / 2
print(f"factor {factor:.2f}, after 20 layers {factor**20:.0e}")

# %% [markdown]
# That is about what was measured for 0.1 above. Now it is your turn to choose the spread.

# %% exercise="06-init"
initial_weight = reference("06-init")

# %% [markdown]
# ## Look inside
#
# Here is a network of 12 layers that starts with numbers drawn from $\pm 1/\sqrt n$, the default of many libraries.


# %%
from tinygrad_lora.data import digits
from tinygrad_lora.view import plots

data = digits()


def deep():
    members = [tl.Linear(64, 48, seed=0), tl.relu]
    for i in range(10):
        members += [tl.Linear(48, 48, seed=i + 1), tl.relu]
    return tl.Sequential(*members, tl.Linear(48, 10, seed=11))


usual = deep()
plots.activation_histograms(usual, data.x_test)

# %% [markdown]
# The spread shrinks from panel to panel. In the end all images look the same to the network.
# What cannot be told apart cannot be learned. And with your start?

# %%
try:
    with tl.using(linear_weight=initial_weight):
        mine = deep()
except NotImplementedError:
    print("write initial_weight, then run this cell again")
    mine = usual
plots.activation_histograms(mine, data.x_test)

# %% [markdown]
# Now the way back: how large is the gradient that reaches each layer? It is the gradient of one number that says how
# wrong the ten outputs are. That number is called cross-entropy, and tutorial 07 builds it. Here any such number would
# do.

# %%
for name, network in {"usual": usual, "mine": mine}.items():
    network.reset_state()
    tl.cross_entropy(network(tl.constant(data.x_test)), data.y_test).backward()
    norms = [np.linalg.norm(network[i].weight.gradient) for i in (0, 10, 20)]
    print(f"{name:<6} first layer {norms[0]:.1e}, middle {norms[1]:.1e}, last but one {norms[2]:.1e}")

# %%
plots.gradient_norms(usual)

# %% [markdown]
# ## What to take with you
#
# * A layer is a function of nodes with parameters as attributes. Its backward pass follows from that.
# * A network is a tree of layers, and its parameters have names such as "0.weight".
# * Freezing cuts the backward pass at the bottom. A gradient still passes through frozen layers on its way down.
# * Start at random, with variance $2/n$ before a ReLU. Then numbers keep their size, however many layers there are.
#
# Everything is ready to learn. Tutorial 07 does it.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | A function with numbers of its own | 6 | |
# | `06-linear` | 9 | 4 |
# | Layers in layers, `06-parameters` | 12 | 4 |
# | Freezing, `06-freezing` | 12 | 5 |
# | The start, `06-init` | 11 | 6 |
# | Look inside | 5 | |
#
# Nineteen points in all. Short of time? Give `06-parameters` as homework; later tutorials use the built-in one.
#
# Likely mistakes, as diagnosis codes:
#
# * `missing-parameter` in `06-linear`: plain arrays as attributes. Nothing complains, and nothing learns.
# * `parameter-shape`: (output_size, input_size), as in PyTorch. Here samples are rows, and the weight is on the right.
# * `unused-parameter`: the bias is made, and forgotten in `__call__`.
# * `all-alike`: the weight starts at zero. Show the three equal columns.
# * `list-missing` in `06-parameters`: a list of layers is not opened. PyTorch has `ModuleList` for that reason.
# * `counted-twice`: a layer used twice gets two updates a step.
# * `stops-at-frozen` in `06-freezing`: as if nothing passed through a frozen layer.
# * `counts-x`: the gradient of the input. Ask who would use it.
# * `stale-flag`: the flag of an inner node is as old as the graph.
# * `missing-two` in `06-init`: 1 / n, right without ReLU. `missing-root`: the variance in place of its root.
# * `fan-out`: 2 / outputs. It keeps the gradients in size and not the numbers.
#
# From the zoo: `stale_graph`. Change a parameter after the forward pass and send gradients back: the engine refuses,
# the bug mixes old and new numbers.
#
# Ask at the end: which start is right before a tanh, which halves nothing? Variance 1 / n, while numbers are small.
