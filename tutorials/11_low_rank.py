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
# # 11 · Low rank
# *Outcome: you can build a LoRA layer, and say why a few numbers are enough. · 60 minutes*
#
# A network reads handwritten digits. Then somebody turns the page. How much of the network has to change?

# %%
import copy

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread
from tinygrad_lora.data import digits
from tinygrad_lora.view.chart import images

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## A new task
#
# The old task is to read digits. The new one is to read the same digits, rotated by 90 degrees.
#
# Two habits of training appear below. The learning rate falls along half a wave of the cosine: large steps first, and
# small ones at the end, so that the network settles. And `AdamW` has a **weight decay**: every step also takes a small
# share, rate times decay, from each number that is trained. Numbers that the data does not need fade away.

# %%
upright, rotated = digits(), digits(rotated=1)
both = np.concatenate([upright.x_test[:6], rotated.x_test[:6]])
images(both.reshape(-1, 8, 8), columns=6)


# %%
def train(model, optimizer, data, epochs, size=64):
    """Train with a compiled step on shuffled batches, while the learning rate falls to zero. Returns the losses."""
    step, rng, losses = tl.compile_training_step(model, tl.cross_entropy, optimizer), np.random.default_rng(0), []
    count, rate = len(data.x_train) // size, optimizer.lr
    for i in range(epochs * count):
        if i % count == 0:
            order = rng.permutation(len(data.x_train))
        rows = order[i % count * size : (i % count + 1) * size]
        optimizer.lr = rate * (1 + np.cos(np.pi * i / (epochs * count))) / 2
        losses.append(step(data.x_train[rows], data.y_train[rows]))
    return losses


def accuracy(model, data):
    return float((model.forward(data.x_test).argmax(axis=1) == data.y_test).mean())


rng = np.random.default_rng(0)
model = tl.Sequential(
    tl.Linear(64, 128, seed=rng), tl.relu, tl.Linear(128, 64, seed=rng), tl.relu, tl.Linear(64, 10, seed=rng)
)
_ = train(model, tl.Adam(model.parameters(), lr=0.005), upright, epochs=20)
print(f"{model.parameter_count:,} parameters")
print(f"upright {accuracy(model, upright):.1%}, rotated {accuracy(model, rotated):.1%}")

# %% [markdown]
# On rotated digits it is no better than guessing. The usual remedy is to go on training, with all parameters:

# %%
tuned = copy.deepcopy(model)
_ = train(tuned, tl.Adam(tuned.parameters(), lr=0.003), rotated, epochs=30)
print(f"after 30 epochs: upright {accuracy(tuned, upright):.1%}, rotated {accuracy(tuned, rotated):.1%}")

# %% [markdown]
# It has learned the new task, and lost much of the old one. And you now have a second copy of all the numbers.
#
# What has changed? Subtract the old weights from the new. Here is the change of the first layer, 64 by 128.

# %%
from tinygrad_lora.view import plots

change = tuned[0].weight.value - model[0].weight.value
plots.singular_values(change)

# %% [markdown]
# Any matrix is a sum of simple ones: a column times a row, times a number, its *singular value*. The bars are these
# numbers. A few are large and most are small. Is that always so? Compare with random numbers of the same size:


# %%
def held(matrix, k):
    """The share of the squared singular values in the first k."""
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    return squares[:k].sum() / squares.sum()


noise = np.random.default_rng(0).normal(size=change.shape)
for k in (1, 2, 4, 8, 16):
    print(f"the first {k:>2} of 64 hold {held(change, k):.0%} of the change, and {held(noise, k):.0%} of the noise")

# %% [markdown]
# So most of what was learned lies in a few directions. Keep the first $r$ and drop the others: that is the closest
# matrix of **rank** $r$. A theorem by Eckart and Young says that none is closer.

# %% exercise="11-best-rank"
low_rank, smallest_error = reference("11-best-rank")

# %% [markdown]
# What is a change worth, if only rank $r$ of it is kept? Put the old weights, plus the closest change of rank $r$, into
# the network. (The biases are those of the tuned network.)

# %%
ranks, kept = (1, 2, 4, 8, 16, 32), []
try:
    for r in ranks:
        cut = copy.deepcopy(tuned)
        for old, new in zip(model.members[::2], cut.members[::2], strict=True):
            A, B = low_rank(new.weight.value - old.weight.value, min(r, 10))
            new.weight.value = old.weight.value + A @ B
        kept.append(accuracy(cut, rotated))
        print(f"rank {r:>2}: {kept[-1]:.1%} of the rotated digits")
except NotImplementedError:
    print("write low_rank, then run this cell again")

# %% [markdown]
# ## Learn A and B
#
# If a change of low rank is enough, why compute the whole change first? Learn its two factors, and nothing else:
#
# $$y = x W + s\,(x A)\,B \qquad A: (n, r) \quad B: (r, m)$$
#
# $W$ is frozen. This is **LoRA**, low-rank adaptation (Hu et al., 2021). The factor $s = \alpha / r$ is explained
# below.

# %% predict="11-size"
tl.predict("11-size")

# %%
layer = tl.LoRALinear(tl.Linear(64, 128, seed=0), rank=4, seed=0)
tl.draw(layer)

# %%
tl.parameter_tree(layer)

# %% [markdown]
# Of 9,088 numbers, 768 are trained. Why so few? The product of A and B has 64 times 128 numbers, but A has only 64
# times 4, and B has 4 times 128.

# %% exercise="11-counts"
adapter_size, largest_rank = reference("11-counts")

# %% [markdown]
# Now the layer itself. It has two lines of mathematics and one trap: in which order to multiply.

# %% exercise="11-lora-layer"
LoRALayer = reference("11-lora-layer")

# %% [markdown]
# As for every layer, nobody has to write its gradients. The engine derives them; here they are as formulas. $G$ is the
# gradient that comes from above.

# %%
lora = tl.LoRALayer(6, 5, rank=2, alpha=6, seed=0)
x, G = tl.placeholder((4, 6), name="x"), tl.placeholder((4, 5), name="G")
wrt = {"dL/dB": lora.lora_B, "dL/dA": lora.lora_A, "dL/dx": x}
names = {lora.lora_A: "A", lora.lora_B: "B", lora.scaling: "s"}
tl.formula({name: tl.gradients(lora(x), node, seed=G) for name, node in wrt.items()}, names)

# %% [markdown]
# ## The start
#
# At the start $B$ is zero. So the adapter adds nothing, and the network computes exactly what it computed before.
# Look at the three formulas. What happens in the first step?

# %% exercise="11-zero-gradient"
is_zero = reference("11-zero-gradient")

# %% [markdown]
# Would it not be simpler to start with both at zero? The zoo has that mistake:

# %% predict="11-both-zero"
tl.predict("11-both-zero")

# %%
for name in ("right", "zero_start"):
    adapted = copy.deepcopy(model)
    if name == "right":
        tl.adapt(adapted, rank=4, seed=0)
    else:
        with tl.bug("zero_start"):
            tl.adapt(adapted, rank=4, seed=0)
    losses = train(adapted, tl.AdamW(adapted.parameters(), lr=0.01, weight_decay=0.3), rotated, epochs=2)
    print(f"{name:<10} first loss {losses[0]:.3f}, last loss {losses[-1]:.3f}")

# %% [markdown]
# If both are zero, each factor waits for the other, and nothing ever moves. (The last loss differs from the first only
# because it is that of another batch.)

# %% [markdown]
# ## Watch it learn
#
# `tl.adapt` puts an adapter beside every linear layer. Only the adapters are trained.

# %%
adapted = tl.adapt(copy.deepcopy(model), rank=4, seed=0)
print(f"{adapted.parameter_count:,} of {model.parameter_count:,} numbers are trained")
plots.heatmaps(adapted[0])

# %% [markdown]
# A is random, B is zero, and so is their product. After two epochs:

# %%
_ = train(adapted, tl.AdamW(adapted.parameters(), lr=0.01, weight_decay=0.3), rotated, epochs=2)
print(f"rotated: {accuracy(adapted, rotated):.1%}")
plots.heatmaps(adapted[0])

# %% [markdown]
# And at the end of the training:

# %%
losses = train(adapted, tl.AdamW(adapted.parameters(), lr=0.01, weight_decay=0.3), rotated, epochs=40)
print(f"rotated: {accuracy(adapted, rotated):.1%}")
plots.heatmaps(adapted[0])

# %% [markdown]
# Every row of the product is a mixture of the four rows of B, and A says which. So 768 numbers make 8,192
# changes.

# %% predict="11-singular"
tl.predict("11-singular")

# %%
plots.singular_values(adapted[0])

# %% [markdown]
# Four singular values, and no more: that is what rank 4 means.

# %% [markdown]
# ## How much rank?
#
# Train with several ranks, and compare with the cut-off change from above.

# %%
learned = []
for r in ranks:
    fresh = tl.adapt(copy.deepcopy(model), rank=r, rank_pattern={"4": min(r, 10)}, seed=0)
    _ = train(fresh, tl.AdamW(fresh.parameters(), lr=0.01, weight_decay=0.3), rotated, epochs=40)
    learned.append(accuracy(fresh, rotated))
    share = fresh.parameter_count / model.parameter_count
    print(f"rank {r:>2}: {fresh.parameter_count:>6,} numbers, {share:>4.0%} of all; {learned[-1]:.1%} of the digits")

# %%
chart = tl.Chart(
    "Learning within rank r beats cutting to it", x="rank", y="rotated digits read", log="x", percent="y", xticks=ranks
)
chart.line(ranks, learned, "A and B learned", points=True)
if kept:
    chart.line(ranks, kept, "the full change, cut to rank r", points=True)
chart.rule(y=accuracy(tuned, rotated), label="full fine-tuning", series=3)

# %% [markdown]
# A change of rank 1 is far better if it is learned than if it is cut from a larger one. Why? The training has only one
# direction from the start, and makes the best of it.

# %% predict="11-scale"
tl.predict("11-scale")

# %% [markdown]
# ## Why alpha over r?
#
# The factor $s$ is a learning rate in disguise. A step on $B$ alone changes the weight by $-\eta\,s^2 A A^\top G$,
# where $G$ is the gradient for $W$ and $\eta$ the rate. Here $A$ starts with entries of variance $1/r$, so $A A^\top$
# is the identity on average, whatever the rank. PEFT draws $A$ with a variance that does not depend on the rank
# (`init="kaiming_uniform"`). How far does the first step go, for several ranks and three rules for $s$?

# %%
images, labels = rotated.x_train[:256], rotated.y_train[:256]
rules = {"s = 1": {}, "s = 8 / sqrt(r)": {"rslora": True}, "s = 8 / r": {}}


def first_step(rank, alpha, seed, **options):
    """How far the first step moves the first weight."""
    fresh = tl.adapt(copy.deepcopy(model), rank=rank, alpha=alpha, target_modules=["0"], seed=seed, **options)
    optimizer = tl.SGD(fresh.parameters(), lr=0.01)
    tl.cross_entropy(fresh(tl.constant(images)), labels).backward()
    optimizer.step()
    return np.linalg.norm(fresh[0].lora.merge_weights())


print(f"{'start of A':<17}{'rank':>5}", *(f"{rule:>16}" for rule in rules))
for init in ("gaussian", "kaiming_uniform"):
    for r in (2, 8, 32):
        lengths = []
        for rule, options in rules.items():
            alpha = r if rule == "s = 1" else 8
            lengths.append(np.mean([first_step(r, alpha, seed, init=init, **options) for seed in range(5)]))
        print(f"{init:<17}{r:>5}", *(f"{length:>16.4f}" for length in lengths))

# %% [markdown]
# Read down the columns. With our start, $s = 1$ (that is $\alpha = r$) depends on the rank least: from rank 2 to 32
# the step shrinks by half. With a fixed $\alpha$ the two other rules shrink it far more. So choose $\alpha$ together
# with the rank.
#
# The root (`rslora=True`, Kalajdzievski 2023) was made for the other start. There it makes the step four times smaller,
# and $\alpha / r$ sixty times. A rule for $s$ is right for one start, not for every one.

# %% [markdown]
# ## Merge
#
# An adapter costs a little at every call: two more thin products. After training you can avoid that.
# $x W + s\,(x A)\,B = x\,(W + s A B)$, so add the change to the weight, once.

# %% exercise="11-merge"
Adapted = reference("11-merge")

# %% [markdown]
# Here is the engine's own merge, on the trained network:

# %%
before = adapted.forward(rotated.x_test)
tl.merge_all(adapted)
after = adapted.forward(rotated.x_test)
print(f"largest difference of the outputs: {abs(after - before).max():.1e}")
tl.unmerge_all(adapted)
print("the old weights are back, bit for bit:", bool((adapted[0].base.weight.value == model[0].weight.value).all()))

# %% [markdown]
# A well-known mistake is to merge twice. A layer remembers that it is merged. In this block it forgets:

# %%
with tl.bug("double_merge"):
    for times in ("once: ", "twice:"):
        for layer in tl.adapters(adapted).values():
            layer.merge()
        print(f"merged {times} {accuracy(adapted, rotated):.1%}")

# %% [markdown]
# ## What to take with you
#
# * The change that fine-tuning makes lies mostly in a few directions.
# * LoRA learns $s A B$ beside a frozen weight: $r\,(n + m)$ numbers instead of $n m$.
# * B starts at zero, so nothing changes at the start; A must not be zero, or nothing ever moves.
# * While you train, never multiply A by B: $(x A) B$ is cheap.
# * Merge for use, and keep the old weight, so that unmerging is exact.
#
# In tutorial 12 we do it for real, with two tasks, a compiler and a file to send.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | A new task, the spectrum | 8 | |
# | `11-best-rank`, cut to rank r | 10 | 5 |
# | Learn A and B, `11-counts` | 8 | 4 |
# | `11-lora-layer` | 9 | 6 |
# | The start, `11-zero-gradient` | 7 | 3 |
# | Watch it learn, how much rank, alpha over r | 9 | |
# | Merge, `11-merge` | 9 | 6 |
#
# Twenty-four points in all. Short of time? Give `11-counts` as homework.
#
# Likely mistakes, as diagnosis codes:
#
# * `scaled-twice` in `11-best-rank`: the singular values in A and in B. Each may have its root, or one has them all.
# * `missing-root`, `plain-sum`: the parts are at right angles, so squares are added. Pythagoras.
# * `product` in `11-counts`: n m r. Draw A and B as two thin boxes.
# * `builds-the-product` in `11-lora-layer`: right, and as expensive as a whole weight.
# * `zero-start`, `not-zero-at-start`: show the two losses from the zoo, and the old accuracy at step 0.
# * `factor`: alpha in place of alpha / r, or nothing at all.
# * `input-passes` in `11-zero-gradient`: the gradient for x through the adapter holds B, too.
# * `not-exact` in `11-merge`: W + d - d is not W. `changed-base`: `+=` on an array that somebody else has.
#
# From the zoo: `zero_start` and `double_merge`, both shown above.
#
# Ask at the end: does LoRA save time in training? A little. It saves the gradients of W and the optimizer's memory; the
# forward pass and the gradients for x are as before.
