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
# # 08 · When it goes wrong
# *Outcome: you can find out why a network does not learn, by looking at its numbers. · 60 minutes*
#
# The loss is NaN. Or it jumps. Or it does not move at all. Where do you look first?

# %%
from contextlib import nullcontext
from itertools import pairwise

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread
from tinygrad_lora.data import digits

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %%
data = digits()


def network(seed=0):
    return tl.Sequential(tl.Linear(64, 32, seed=seed), tl.relu, tl.Linear(32, 10, seed=seed + 1))


def accuracy(model):
    """The share of the test images that it reads right."""
    return (model.forward(data.x_test).argmax(axis=1) == data.y_test).mean()


# %% [markdown]
# ## The loss is NaN
#
# Somebody writes the cross-entropy as in a textbook: $-\sum_j t_j \ln p_j$, where $t$ is 1 for the right class, else 0.
# It works at first. Then the network gets sure of itself:


# %%
def textbook_loss(logits, labels):
    p = tl.softmax(logits)
    truth = np.eye(10)[labels]
    return -tl.mean(tl.sum(truth * tl.log(p), axis=1))


x, labels = tl.constant(data.x_train[:32], "x"), data.y_train[:32]
for factor in (1, 30, 1000, 10_000):
    model = network()
    model[2].weight.value = factor * model[2].weight.value
    with np.errstate(all="ignore"):
        loss = textbook_loss(model(x), labels)
    print(f"last weight times {factor:>6,}: loss {float(loss):.3g}")

# %% predict="08-nan"
tl.predict("08-nan")

# %% [markdown]
# A NaN means that some number went wrong earlier. Every operation passes a NaN on, so at the end you see nothing else.
# Where did it begin?

# %%
tl.first_nonfinite(loss)

# %% [markdown]
# It began before the NaN. Some probability rounded to 0, its logarithm is minus infinity, and $0 \cdot \infty$ is a
# NaN. If you give `first_nonfinite` the function and its arrays, it knows the line as well:

# %%
found = tl.first_nonfinite(lambda x: textbook_loss(model(x), labels), data.x_train[:32])
print(found.line)

# %% [markdown]
# How does it find the node? Write it yourself.

# %% exercise="08-first-nan"
first_nan = reference("08-first-nan")

# %%
try:
    node = first_nan(loss)
    print("yours:", node.op, node.shape, "with", int((~np.isfinite(node.value)).sum()), "numbers that are not finite")
except NotImplementedError:
    print("write first_nan, then run this cell again")

# %% [markdown]
# The repair is that of tutorial 07: the engine's `cross_entropy` subtracts logarithms.

# %%
print(f"loss {float(tl.cross_entropy(model(x), labels)):,.0f}")

# %% [markdown]
# ## The loss jumps
#
# Real data has accidents. Here the pixels of a few batches run from 0 to 255 instead of 0 to 1.
# We record the loss, and the norm of the gradient, at every step.


# %%
def train(max_norm=None, steps=300, lr=0.1):
    """The network, and loss and norm of the gradient at each step."""
    model, history = network(), []
    optimizer = tl.SGD(model.parameters(), lr=lr, momentum=0.9, max_norm=max_norm)
    for i in range(steps):
        rows = slice(i * 32 % 1408, i * 32 % 1408 + 32)
        batch = data.x_train[rows] * (255 if i % 80 == 60 else 1)
        optimizer.zero_gradients()
        loss = tl.cross_entropy(model(tl.constant(batch)), data.y_train[rows])
        loss.backward()
        history.append((float(loss), np.linalg.norm(model.get_parameter_gradients())))
        optimizer.step()
    return model, np.array(history)


model, history = train()
print(f"accuracy {accuracy(model):.0%}")
print(f"norm of the gradient: usually {history[:60, 1].mean():.2f}, at step 60 {history[60, 1]:.0f}")

# %% [markdown]
# With that one batch the gradient is more than a hundred times as long as usual. So is the step. It throws the network
# far away, and from there it does not come back.
#
# The direction of such a gradient may even be good. Its length does the harm. So limit the length.

# %% exercise="08-clip"
clip = reference("08-clip")

# %% predict="08-clipped"
tl.predict("08-clipped")

# %% [markdown]
# This is called clipping. Every optimizer has it as `max_norm`. Here the limit is 1:

# %%
from tinygrad_lora.view import plots

clipped, calm = train(max_norm=1.0)
print(f"accuracy {accuracy(clipped):.0%}")

plots.loss_curves({"not clipped": list(history[:, 0]), "clipped": list(calm[:, 0])})

# %%
try:
    with tl.using(clip=clip):
        mine, _ = train(max_norm=1.0)
    print(f"with your clip: accuracy {accuracy(mine):.0%}")
except NotImplementedError:
    print("write clip, then run this cell again")

# %% [markdown]
# ## The loss stays where it is
#
# What did the long step do to the network? Look inside:

# %%
plots.activation_histograms(model, data.x_test)

# %% [markdown]
# Units that give 0 for every image are **dead**. A ReLU passes no gradient where its output is 0.
# So nothing reaches the weights of a dead unit, and it stays dead. The gradients say the same:

# %%
model.reset_state()
tl.cross_entropy(model(tl.constant(data.x_test)), data.y_test).backward()
nothing = (model[0].weight.gradient == 0).all(axis=0)
print(f"{nothing.sum()} of {nothing.size} units have a gradient of exactly 0 in all their weights")

# %% [markdown]
# There is another way for a gradient to get lost: layer by layer. A sigmoid has a slope of at most 0.25, a tanh of at
# most 1. Twelve layers multiply twelve slopes, and twelve weights.

# %% predict="08-sigmoids"
tl.predict("08-sigmoids")


# %%
def norms_per_layer(activation, spread, depth=12):
    """The norm of the gradient of each weight in a deep network."""
    rng, members = np.random.default_rng(0), []
    sizes = [64, *[48] * (depth - 1), 10]
    for n, m in pairwise(sizes):
        members += [tl.Linear.from_arrays(rng.normal(size=(n, m)) * spread / np.sqrt(n), np.zeros(m)), activation]
    deep = tl.Sequential(*members[:-1])
    tl.cross_entropy(deep(tl.constant(data.x_train[:200])), data.y_train[:200]).backward()
    return [np.linalg.norm(layer.weight.gradient) for layer in deep if isinstance(layer, tl.Linear)]


chart = tl.Chart("Vanishing, even, exploding towards the first layer", x="layer", y="norm of the gradient", log="y")
for activation, spread in [(tl.sigmoid, 1.2), (tl.tanh, 1.2), (tl.tanh, 4.0)]:
    norms = norms_per_layer(activation, spread)
    name = f"{getattr(activation, 'name', 'sigmoid')}, weights times {spread}"
    chart.line(range(1, 13), norms, name, points=True)
    print(f"{name}: first layer {norms[0]:.1e}, last layer {norms[-1]:.1e}")
chart

# %% [markdown]
# Gradients that differ by powers of ten from layer to layer are a symptom. Then no learning rate suits them all.

# %% predict="08-larger-weights"
tl.predict("08-larger-weights")

# %% [markdown]
# ## Is it the engine?
#
# So far the engine was right, and the network was not. How would you know if a backward rule were wrong?
# Measure, as in tutorial 03. `check_gradients` compares every entry with a central difference:


# %%
def a_loss(w, b):
    h = tl.tanh(tl.constant(np.ones((3, 2))) @ w + b)
    return tl.sum(h * h)


rng = np.random.default_rng(0)
arrays = rng.normal(size=(2, 2)), rng.normal(size=2)
print(f"right engine: largest difference {tl.check_gradients(a_loss, *arrays):.0e}")
for name in ("no_accumulate", "naive_recursion"):
    with tl.bug(name):
        try:
            tl.check_gradients(a_loss, *arrays)
        except tl.errors.GradientError as error:
            print(f"{name}: {error}")

# %% [markdown]
# It finds only mistakes that its inputs reveal. If no number is exactly 0, it cannot see a wrong ReLU at 0.
# If nothing is repeated, it cannot see a forgotten sum. So the inputs must be chosen. Can you choose them?

# %% exercise="08-zoo"
probes = reference("08-zoo")

# %% [markdown]
# What does each of these engines compute for your losses?

# %%
try:
    for name in (None, "naive_recursion", "no_accumulate", "no_unbroadcast", "relu_at_zero"):
        told = []
        for loss in probes():
            with tl.bug(name) if name else nullcontext():
                loss.backward()
            leaves = [node for node in tl.Graph([], [loss]).nodes if not node.parents and node.requires_gradient]
            told += [f"{leaf.name} {np.round(leaf.gradient, 2).tolist()}" for leaf in leaves]
        print(f"{name or 'the right one':<16}", "  ".join(told))
except NotImplementedError:
    print("write probes, then run this cell again")

# %% [markdown]
# ## A patient
#
# Here is a patient with four illnesses. Go from the input to the update, and look at each place:
#
# | look at | with | healthy |
# |---|---|---|
# | what goes in | `np.isfinite`, mean and spread | finite, mean 0, spread 1 |
# | the first loss | `float(loss)` | $\ln$ of the number of classes |
# | each layer | `plots.activation_histograms` | similar spread, few dead units |
# | each gradient | `plots.gradient_norms` | similar size, none exactly 0 |
# | the loss over time | `plots.loss_curves` | falls, and can reach 0 |
# | ten samples alone | train on them | they are learned by heart |

# %% exercise="08-rescue"
prepare, build, measure, step = reference("08-rescue")

# %% [markdown]
# The last line of the table is the quickest test of all. A network that cannot learn ten images by heart has a mistake.
# Here is yours:

# %%
ten, answers = data.x_train[:10], data.y_train[:10]
patient = build(0)
optimizer = tl.Adam(patient.parameters(), lr=0.01)
with np.errstate(all="ignore"):
    prepared = prepare(ten, data.x_train)
    losses = [step(patient, measure, optimizer, prepared, answers) for _ in range(200)]
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2g}")

# %% [markdown]
# ## A second patient
#
# This one has two illnesses, and there is no table, no check and no hint. A healthy network reads more than 95% of the
# digits after these 15 rounds. Find both. Each one alone is enough to make it ill.


# %%
def second_patient():
    rng = np.random.default_rng(0)
    sick = tl.Sequential(tl.Linear(64, 32, seed=0), tl.relu, tl.Linear(32, 10, seed=1), tl.relu)
    step = tl.compile_training_step(sick, tl.cross_entropy, tl.SGD(sick.parameters(), lr=0.3))
    for _ in range(15):
        images = data.x_train[rng.permutation(len(data.x_train))]
        answers = data.y_train[rng.permutation(len(data.y_train))]
        for i in range(0, len(images) - 31, 32):
            loss = step(images[i : i + 32], answers[i : i + 32])
    return sick, loss


sick, loss = second_patient()
print(f"loss {loss:.2f}, accuracy {accuracy(sick):.0%}")

# %% [markdown]
# Begin with the last line of the table above: can it learn ten images by heart? Change one thing at a time, and write
# down what you saw.

# %% [markdown]
# ## What to take with you
#
# * A NaN begins at the first node that is not finite. It is often an infinity.
# * One long gradient can ruin a network. Clip by the norm of all gradients together.
# * A dead ReLU gets no gradient, so it stays dead. Look at the outputs of each layer.
# * Finite differences check an engine, if the inputs are chosen to reveal mistakes.
# * Look from the input to the update, one place after another. Ten samples are enough to begin with.
#
# Tutorial 09 makes the right network fast.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | The loss is NaN, `08-first-nan` | 13 | 5 |
# | The loss jumps, `08-clip` | 10 | 4 |
# | The loss stays where it is | 7 | |
# | Is it the engine?, `08-zoo` | 14 | 6 |
# | A patient, `08-rescue` | 16 | 8 |
#
# Twenty-three points in all. Short of time? Give `08-clip` as homework.
#
# Likely mistakes, as diagnosis codes:
#
# * `infinity-missed` in `08-first-nan`: `np.isnan` alone. Ask where a NaN can come from if all inputs are finite.
# * `hidden`: the search begins at the output and stops there, because the output is fine. e to minus infinity is 0.
# * `each-alone` in `08-clip`: one norm for each array. It turns the direction, and small layers learn too fast.
# * `nan`: 0 / 0 where all gradients are zero, as at a minimum.
# * `misses-no-unbroadcast` in `08-zoo`: operands of equal shapes. Something must be repeated.
# * `misses-relu-at-zero`: a small number is not zero. Black pixels are.
# * `not-told-apart`: two mistakes give the same wrong number, as in `-a + a`. Another loss parts them.
# * `tiny-divisor` in `08-rescue`: `+ 1e-8` hides the division by zero until a new image has ink there.
# * `softmax-twice`: the network learns, but its loss cannot go below 1.46. Compare with the first row of the table.
#
# From the zoo: all five of `08-zoo`. Let pairs of students swap engines: one chooses a bug, the other names it.
#
# The second patient: images and answers are shuffled apart, so each image has the answer of another one; and a ReLU
# comes after the logits, so a logit below zero gets no gradient. With the first one cured alone it reads 60%, with
# the second one alone 9%, with both 97%.
#
# Ask at the end: which of the four illnesses of `08-rescue` could a test have found before any training?
