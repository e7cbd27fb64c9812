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
# # 15 · Small weights
# *Outcome: you can store weights in four bits, say what it costs, and train beside them. · 60 minutes*
#
# A model of 7 billion weights takes 28 GB in float32, and your machine has 8. What now?

# %%
import copy

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread
from tinygrad_lora.data import names
from tinygrad_lora.models.names import LETTERS, encode, letter_loss, trained_names

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# Here is the model of tutorial 14. It has learned from 4,630 first names, and invents new ones. It is small, so you can
# try everything at once. The same methods are used for large models.


# %%
def loss_of(model, words):
    """The mean loss for each letter of these names."""
    rows = encode(words)
    return float(letter_loss(model(rows[:, :-1]), rows[:, 1:]))


def invented(model, count, seed=0):
    """Names that the model makes up, letter by letter."""
    rng, rows = np.random.default_rng(seed), np.zeros((count, 1), int)
    for _ in range(11):
        scores = model.forward(rows)[:, -1]
        shares = np.exp(scores - scores.max(axis=1, keepdims=True)).cumsum(axis=1)
        letters = (rng.random((count, 1)) * shares[:, -1:] > shares).sum(axis=1, keepdims=True)
        rows = np.hstack([rows, np.where((rows[:, 1:] == 0).any(axis=1, keepdims=True), 0, letters)])
    return ["".join(LETTERS[i] for i in row if i) for row in rows]


# %%
train, test = names()
model = trained_names()

# %%
print(f"{model.parameter_count:,} weights, loss on new names {loss_of(model, test):.3f}")
print(", ".join(invented(model, 8)))

# %% [markdown]
# ## Four bits
#
# A float32 has 32 bits. How many does a weight need?

# %% predict="15-levels"
tl.predict("15-levels")

# %% [markdown]
# So with four bits a weight can be one of 16 numbers, the **levels**. Which 16? First take the simplest choice: equal
# distances, from -1 to 1. Then bring the weights to that range: divide each by the largest of its neighbors, and
# remember this **scale**. Every weight becomes the index of the nearest level, its **code**.

# %% exercise="15-quantize"
quantize, dequantize = reference("15-quantize")

# %%
block = model.q_proj.weight.value[0, :8].astype(float)
even = np.linspace(-1, 1, 16)
try:
    codes, scale = quantize(block, even)
    print("weights  ", block.round(3))
    print("codes    ", codes, " scale", round(float(scale), 3))
    print("read back", dequantize(codes, scale, even).round(3))
except NotImplementedError:
    print("write quantize and dequantize, then run this cell again")

# %% [markdown]
# Look at the small weights. With equal distances there is no level at 0. Which levels would suit the weights? Here are
# those of the six large layers, each divided by the largest of its 64 neighbors:

# %%
layers = [model.q_proj, model.k_proj, model.v_proj, model.o_proj, model.up_proj, model.down_proj]
weights = np.concatenate([layer.weight.value.ravel() for layer in layers]).astype(float)
blocks = weights.reshape(-1, 64)
scaled = blocks / np.abs(blocks).max(axis=1, keepdims=True)
counts, edges = np.histogram(scaled, bins=60)

from tinygrad_lora.nn.adapters.quantized import LEVELS

chart = tl.Chart("Most weights are small", x="weight / scale", y="how many", size=(440, 200))
chart.bars(edges, counts, "weights")
chart.points(even, np.full(16, -0.06 * counts.max()), "equal distances", series=1)
chart.points(LEVELS, np.full(16, -0.14 * counts.max()), "NF4", series=2)

# %% [markdown]
# The shape is a bell, so levels far out have little to do. (The two bars at the ends are the largest of each block.)
# **NF4** puts its 16 levels where the weights are: densely around 0, and further apart outside. On each side of 0, the
# same share of a bell lies between any two neighbors. The N stands for the normal distribution (Dettmers et al. 2023).
# One level is 0, exactly.
#
# ## One large number
#
# The largest number sets the scale. What if it is much larger than the others?

# %% predict="15-outlier"
tl.predict("15-outlier")

# %%
outlier = np.array([1.0, -0.8, 0.6, 100.0])
try:
    codes, scale = quantize(outlier, LEVELS)
    print("all with one scale:", dequantize(codes, scale, LEVELS))
    codes, scale = quantize(outlier[:3], LEVELS)
    print("the first three by themselves:", dequantize(codes, scale, LEVELS).round(2))
except NotImplementedError:
    print("write quantize and dequantize, then run this cell again")

# %% [markdown]
# So a scale should belong to few numbers: then a large one harms few others. But every scale takes memory.

# %% predict="15-bits"
tl.predict("15-bits")

# %% exercise="15-blocks"
relative_error, bits_per_number = reference("15-blocks")

# %% [markdown]
# Which size is best? There is no best one; it is a trade-off. Each point is a size of blocks, from 8 to 1,024.

# %%
sizes = (8, 16, 32, 64, 128, 256, 512, 1024)
chart = tl.Chart("Error against memory", x="bits for each weight", y="relative error", percent="y", ylim=(0, None))
try:
    bits = [bits_per_number(4, 32, size) for size in sizes]
    for name, levels in {"equal distances": even, "NF4": LEVELS.astype(float)}.items():
        errors = [relative_error(weights, size, levels) for size in sizes]
        chart.line(bits, errors, name, points=True)
        print(f"{name:<16}", *(f"{size}: {error:.1%}" for size, error in zip(sizes, errors, strict=True)))
except NotImplementedError:
    print("write both functions, then run this cell again")
chart

# %% [markdown]
# From blocks of 32 on, NF4 is better; in tiny blocks it is not. Why? In a block of 8, even the largest number is often
# small. Divided by it, the weights no longer have the shape of a bell. QLoRA takes blocks of 64, at 4.5 bits. It
# also stores the scales in 8 bits, which brings it to 4.13.
#
# ## Into bytes
#
# NumPy has no numbers of four bits. Its smallest have eight.

# %% exercise="15-pack"
pack, unpack = reference("15-pack")

# %% [markdown]
# The engine has all of this: `quantize_nf4` returns the bytes of a matrix, the same bytes as the library bitsandbytes.

# %%
from tinygrad_lora.nn.adapters.quantized import dequantize_nf4, quantize_nf4

weight = model.up_proj.weight.value
stored = quantize_nf4(weight)
back = dequantize_nf4(stored)
print(f"float32 {weight.nbytes:,} bytes, NF4 {stored.nbytes:,} bytes: {8 * stored.nbytes / weight.size:.2f} bits each")
print(f"relative error {np.linalg.norm(back - weight) / np.linalg.norm(weight):.1%}")

# %% [markdown]
# ## What it costs
#
# The weights are off by about nine percent of their usual size. What does that do to the names?

# %%
from tinygrad_lora.nn import quantize as quantize_model

small = quantize_model(copy.deepcopy(model))
print(f"float32 {loss_of(model, test):.3f}, four bits {loss_of(small, test):.3f}")
print("float32:  ", ", ".join(invented(model, 6)))
print("four bits:", ", ".join(invented(small, 6)))

# %% [markdown]
# The loss has hardly moved: errors of both signs cancel in a sum of many products. Still, some names differ: if one
# letter is drawn differently, all letters after it depend on it.
#
# Would fewer levels be enough? And does it matter where they are?


# %%
def rounded(model, levels, size=64):
    """A copy of the model whose six large layers are rounded to these levels, block by block."""
    coarse = copy.deepcopy(model)
    for layer in (coarse.q_proj, coarse.k_proj, coarse.v_proj, coarse.o_proj, coarse.up_proj, coarse.down_proj):
        blocks = layer.weight.value.reshape(-1, size)
        scales = np.abs(blocks).max(axis=1, keepdims=True)
        codes = np.abs((blocks / scales)[..., None] - levels).argmin(axis=-1)
        layer.weight.value = (levels[codes] * scales).reshape(layer.weight.shape).astype(np.float32)
    return coarse


print(f"NF4, 16 levels: loss {loss_of(rounded(model, LEVELS), test):.3f}")
for count in (16, 8, 4, 2):
    print(f"{count:>2} levels at equal distances: loss {loss_of(rounded(model, np.linspace(-1, 1, count)), test):.3f}")

# %% [markdown]
# With 16 levels the loss moves by about a hundredth, wherever they are. With three bits it begins to grow. With one bit
# the model has forgotten almost everything: blind guessing has 3.30. In large models the place of the levels does
# matter: the authors of QLoRA measured several choices, and found NF4 ahead of the others.

# %% [markdown]
# ## Beside frozen codes
#
# Can a model of codes learn something new?

# %% predict="15-slope"
tl.predict("15-slope")

# %% [markdown]
# So codes cannot be trained by a gradient: it would be 0, or undefined. They are frozen. But tutorial 11 has shown how
# to train beside a frozen weight: with an adapter. This is **QLoRA**: the weights in four bits, and LoRA beside them.

# %% predict="15-passes"
tl.predict("15-passes")

# %% exercise="15-gradients"
qlora_vjp = reference("15-gradients")

# %% [markdown]
# The engine needs no rule for this. The weight of a quantized layer is a graph: look up the codes, multiply by the
# scales. It begins with the bytes, and ends with the weight:

# %%
layer = small.up_proj
print(layer)
for node in tl.Graph([], [layer.weight]).nodes:
    print(f"{node.op!s:<10} {node.name or '':<10} {node.shape!s:<14} {node.dtype}")

# %% [markdown]
# The weight is computed anew whenever it is used, on the way forward and on the way back. Only the bytes stay in
# memory.
#
# ## A new habit
#
# Let the model learn to invent names that end in "a". It learns from the names in the list that do; a few are kept
# aside.

# %%
ending, ending_test = ([name for name in part if name.endswith("a")] for part in (train, test))
print(f"{len(ending):,} names to learn from, {len(ending_test)} kept aside:", ", ".join(ending[:6]))

# %% predict="15-start"
tl.predict("15-start")


# %%
def fine_tune(adapted, steps=200, size=32):
    """Train the adapters on names that end in "a"."""
    rows, rng = encode(ending), np.random.default_rng(0)
    step = tl.compile_training_step(adapted, letter_loss, tl.AdamW(adapted.parameters(), lr=0.01, weight_decay=0.0))
    losses = []
    for _ in range(steps):
        batch = rows[rng.integers(0, len(rows), size)]
        losses.append(step(batch[:, :-1], batch[:, 1:]))
    return losses


def share(model):
    """How many of 200 invented names end in "a"."""
    return np.mean([name.endswith("a") for name in invented(model, 200, seed=1)])


ways = {"LoRA": {}, "QLoRA": {"variant": "qlora"}}
tuned = {name: tl.adapt(copy.deepcopy(model), rank=4, seed=0, **options) for name, options in ways.items()}
print(f"before: loss {loss_of(model, ending_test):.3f}, {share(model):.0%} end in a")
for name, adapted in tuned.items():
    print(f"{name:<6} loss {loss_of(adapted, ending_test):.3f} at the start, {adapted.parameter_count:,} trained")

# %%
losses = {name: fine_tune(adapted) for name, adapted in tuned.items()}
for name, adapted in tuned.items():
    print(f"{name:<6} loss {loss_of(adapted, ending_test):.3f}, {share(adapted):.0%} end in a:", end=" ")
    print(", ".join(invented(adapted, 6)))

# %%
from tinygrad_lora.view import plots

plots.loss_curves(losses, smooth=15, log=True)

# %% [markdown]
# The two curves are almost the same. The adapters have learned the habit as well beside rounded weights as beside full
# ones, and the codes have not changed.
#
# Is the old habit lost? Switch the adapters off, as in tutorial 12:

# %%
with tl.disabled(tuned["QLoRA"]):
    print(f"adapters off: {share(tuned['QLoRA']):.0%} end in a, loss on all names {loss_of(tuned['QLoRA'], test):.3f}")

# %% [markdown]
# ## A table
#
# Where does memory go in training? First a part that is easy to forget:

# %% predict="15-trained"
tl.predict("15-trained")

# %% exercise="15-memory"
training_bytes = reference("15-memory")

# %% [markdown]
# Does the model of 7 billion weights fit? An adapter of rank 8 on all its layers has about 20 million numbers.

# %%
models = {"SmolLM2": (134_515_008, 2_442_240), "7 billion": (7_000_000_000, 20_000_000)}
try:
    print(f"{'':<12}{'full':>16}{'LoRA':>16}{'QLoRA':>16}")
    for name, (n, adapter) in models.items():
        table = training_bytes(n, adapter)
        print(f"{name:<12}" + "".join(f"{table[way] / 1e6:>13,.1f} MB" for way in ("full", "lora", "qlora")))
except NotImplementedError:
    print("write training_bytes, then run this cell again")

# %% [markdown]
# Full fine-tuning takes 112 GB, and QLoRA a little more than 4. The activations come on top of that, about the same in
# all three. So the model of 7 billion weights fits into 8 GB, and with small batches it can be trained there.
#
# ## What to take with you
#
# * A block is one scale and a small code for each number; a code is the index of the nearest level.
# * NF4 puts its levels where weights usually are. The weights are off by about nine percent, but the loss hardly moves.
# * One large number spoils its block, so blocks are small; and every scale takes memory.
# * Codes have no slope, so they are frozen. The gradient passes through the weight, to the layers below.
# * QLoRA takes four bits for the frozen weights, and float32 for the few numbers that are trained.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | Four bits, `15-quantize` | 14 | 6 |
# | One large number, `15-blocks` | 13 | 4 |
# | Into bytes, `15-pack`, what it costs | 9 | 4 |
# | Beside frozen codes, `15-gradients` | 12 | 5 |
# | A new habit | 5 | |
# | A table, `15-memory` | 7 | 4 |
#
# Twenty-three points in all. Short of time? Give `15-pack` and `15-memory` as homework.
#
# Likely mistakes, as diagnosis codes:
#
# * `largest-without-sign` in `15-quantize`: a block whose largest number is negative. Draw the range from -1 to 1.
# * `even-levels`: the formula of equal distances. It is right for the first example of the tutorial alone.
# * `zero-block`: 0 / 0. Real weights have such blocks, where a layer was pruned.
# * `scale-across-blocks` in `15-blocks`: the wrong axis, and in a square matrix nobody notices.
# * `mean-of-blocks`: relative first, then the mean. Blocks of small numbers then count as much as others.
# * `not-interleaved` in `15-pack`: all high halves, then all low ones.
# * `base-blocked` in `15-gradients`: frozen is taken for opaque. What would the layers below learn from?
# * `codes-for-weight`: the codes are whole numbers from 0 to 15, and the output becomes huge.
# * `bits-for-bytes` in `15-memory`: eight bits are a byte.
#
# From the zoo: `zero_start`, as in tutorial 11, on a model of four bits.
#
# Ask at the end: could the scales be trained? Yes, they are floats. How many numbers would that be, for each layer?
