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
# # 13 · Attention
# *Outcome: you can build causal attention with heads, and see who looks at whom. · 60 minutes*
#
# "The dog chased the cat, because it was hungry." Who was hungry? To know what `it` means, you look at other words.
# How can a network look?

# %%
import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread
from tinygrad_lora.nn import attention as engine
from tinygrad_lora.nn.rotary import rotary_angles
from tinygrad_lora.view.chart import Panels

one_thread()  # so that a busy machine is as fast as a quiet one
np.set_printoptions(precision=2, suppress=True)

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## A word alone
#
# A text becomes a matrix, with one row for each **token**. Here a token is a word, and its row counts the letters.

# %%
words = ["row", "row", "row", "your", "boat", "gently", "down", "the", "stream"]
letters = "abcdefghijklmnopqrstuvwxyz"
X = np.array([[word.count(letter) for letter in letters] for word in words], float)
print(X.shape, " row:", {letter: int(n) for letter, n in zip(letters, X[0], strict=True) if n})

# %% [markdown]
# A linear layer works on each row alone: `X @ W` never mixes two rows. To mix rows, multiply from the **left**.
# The simplest mixture is the average of all words so far:

# %%
A = np.tri(len(words)) / np.arange(1, len(words) + 1)[:, None]
print(A[:4])
print("row 3 of A @ X is the mean of the first four words:", bool(np.allclose((A @ X)[3], X[:4].mean(axis=0))))


# %%
def look(weights, tokens, title="", size=330, limit=1.0):
    """A matrix of weights as a picture: the word that asks is on the left, the word that it looks at is below."""
    ticks = dict(enumerate(tokens))
    chart = tl.Chart(title, x="is looked at", y="asks", xticks=ticks, yticks=ticks, size=(size, size))
    return chart.image(weights, colors="share", limit=limit)


look(A, words, "An average: all earlier words count the same", 420)

# %% [markdown]
# Each row of `A` holds the **weights** of one word, and they sum to 1. **Attention** is such a matrix. But its weights
# are not fixed: they are computed from the words themselves.
#
# ## Who fits whom
#
# How could a word choose? Let each pair of words have a **score**, which may be any number. A softmax turns the scores
# of a row into weights.

# %% predict="13-average"
tl.predict("13-average")

# %% [markdown]
# So the average is attention with equal scores. Where do better scores come from? From a dot product: it is large if
# two vectors point in the same direction.

# %%
for other in ("row", "your", "down", "the"):
    print(f"row · {other:<5} {X[0] @ X[words.index(other)]:.0f} letters in common")

# %% [markdown]
# A word may look for something different from itself. So every word gets three vectors, by three learned matrices:
#
# * a **query**: what it looks for;
# * a **key**: what it can be found by;
# * a **value**: what it hands over.
#
# $$\mathrm{attention}(Q, K, V) = \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt d}\right) V$$

# %% predict="13-table"
tl.predict("13-table")

# %% exercise="13-scores"
scores = reference("13-scores")

# %% [markdown]
# Why the root? Let queries and keys be random vectors, longer and longer.

# %% predict="13-spread"
tl.predict("13-spread")

# %%
rng = np.random.default_rng(0)
print("numbers  spread of scores  largest of 16 weights  the same, with the root")
for d in (4, 64, 1024):
    Q, K = rng.normal(size=(2, 50, 16, d))
    plain = Q @ K.mT
    largest = [tl.softmax(s).max(axis=-1).mean() for s in (plain, plain / np.sqrt(d))]
    print(f"{d:>7}  {plain.std():>16.1f}  {largest[0]:>21.2f}  {largest[1]:>23.2f}")

# %% [markdown]
# Without the root, long vectors make large scores, and the softmax gives almost all weight to one token. Then its
# gradient is nearly zero, and nothing is learned. The root keeps the spread at 1.
#
# ## Shares
#
# A softmax over a matrix can run along either of two axes. Which one is right, and what does the other one mean?

# %% exercise="13-weights"
weights = reference("13-weights")

# %% [markdown]
# Now look. The query of a word is four times its own vector, its key is the vector itself, and nothing is learned yet.

# %%
Q, K = 4 * X, X
W = tl.softmax(Q @ K.T / np.sqrt(X.shape[1]))
print("the weights of a word sum to", W.sum(axis=-1))
look(W, words, "Words look at words with the same letters", 420)

# %% [markdown]
# The three `row` share their attention, and keep some for `your` and `down`. Change the 4 to 1, and to 40. What does
# the size of a query say?
#
# ## Not ahead
#
# A model that predicts the next word must not see it. `row` must not look at `stream`.

# %% predict="13-visible"
tl.predict("13-visible")

# %% exercise="13-mask"
masked = reference("13-mask")

# %% [markdown]
# With a mask, the picture is a triangle. And the gradient agrees. Here is how much each input row moves the output of
# the word `boat`, number 4:

# %%
hidden = engine.causal_mask(len(words), dtype=float).T  # the engine's: there a token is a column
x = tl.parameter(X, "x")
W = tl.softmax(4 * (x @ x.T) / np.sqrt(26) + hidden)
output = W @ x
tl.sum(output[4]).backward()
for word, row in zip(words, x.gradient, strict=True):
    print(f"{word:<7} {np.abs(row).sum():6.2f}")
look(W.value, words, "Nobody looks ahead", 420)

# %% [markdown]
# Nothing after `boat` has any influence. The mask was added to the scores, as 0 or as a large negative number. It is
# just one more term of a sum, so gradients need no rule for it.
#
# ## Where
#
# Look at the first three rows of the pictures again. All three words are `row`. Can attention tell them apart?

# %% predict="13-shuffle"
tl.predict("13-shuffle")

# %%
order = np.random.default_rng(1).permutation(len(words))


def attend(X):
    """Attention without a mask: each row is a weighted average of all rows."""
    return tl.softmax(4 * X @ X.T / np.sqrt(X.shape[1])) @ X


print(" ".join(words[i] for i in order))
print("largest difference for a word:", abs(attend(X)[order] - attend(X[order])).max().round(12))

# %% [markdown]
# Attention does not know where a word stands: "dog bites man" is "man bites dog". The remedy is simple: add to each row
# some numbers that say where it is.

# %% exercise="13-position"
positions = reference("13-position")

# %%
cosines, sines = rotary_angles(np.arange(48), 32, dtype=float)
table = np.stack([sines.T, cosines.T], axis=-1).reshape(48, 32)
Panels(
    [
        tl.Chart("A row for each place", x="number", y="place", size=(250, 250)).image(table),
        tl.Chart("Dot products: near places fit", x="place", y="place", size=(250, 250)).image(table @ table.T),
    ]
)

# %% [markdown]
# Neighbors fit each other best, wherever they are. With the table added, the three `row` are no longer alike:

# %%
P = X + table[: len(words), :26]
W = tl.softmax(4 * P @ P.T / np.sqrt(26) + hidden)
for i in range(3):
    print(f"row number {i} looks at", " ".join(f"{word} {w:.2f}" for word, w in zip(words[:3], W[i, :3], strict=True)))

# %% [markdown]
# ## Heads
#
# One softmax gives one answer. But a word may need several: who did it, to whom, and when? So its vector is cut into
# **heads**. Each has scores, weights and values of its own, and their results are put side by side.

# %% predict="13-price"
tl.predict("13-price")

# %% exercise="13-heads"
heads, join = reference("13-heads")

# %% [markdown]
# Now put all parts together. This is the attention of a language model, with your functions, beside the engine's:


# %%
def my_attention(Q, K, V, count):
    """Causal attention with so many heads, for (tokens, width)."""
    Q, K, V = heads(Q, count), heads(K, count), heads(V, count)
    return join(weights(masked(scores(Q, K))) @ V)


Q, K, V = (tl.constant(rng.normal(size=(1, 9, 32))) for _ in range(3))
mask = tl.constant(engine.causal_mask(9, dtype=float))
theirs = engine.attention(*(engine.heads(x, 4) for x in (Q, K, V)), mask).value[0]
try:
    mine = my_attention(Q.value[0], K.value[0], V.value[0], 4)
    print(f"largest difference: {abs(mine - theirs).max():.0e}")
except NotImplementedError:
    print("write the five functions, then run this cell again")

# %% [markdown]
# ## On real text
#
# What does attention look at once it has learned? Here is a small model that reads first names, letter by letter, and
# says which letter comes next. It has one layer of attention, with four heads. It trains within seconds. Tutorial 14
# shows how it is built.

# %%
from tinygrad_lora.data import names
from tinygrad_lora.models.names import encode, trained_names

model = trained_names()
print(f"{model.parameter_count:,} numbers, trained on {len(names()[0]):,} names such as", ", ".join(names()[0][:5]))


# %%
def who_looks(names):
    """The weights of each head for the letters of each name, (names, heads, letters, letters)."""
    tokens = encode(names)[:, : max(map(len, names)) + 1]
    x = model.letters(tokens) + model.places(np.arange(tokens.shape[1]))
    h, seen = model.norms[0](x), []
    parts = (engine.heads(project(h), 4) for project in (model.q_proj, model.k_proj, model.v_proj))
    engine.attention(*parts, tl.constant(engine.causal_mask(tokens.shape[1], dtype=np.float32)), seen)
    return seen[0].value


name = "christopher"
Panels([look(w, "." + name, f"head {i}", 220, 0.6) for i, w in enumerate(who_looks([name])[0])], columns=2)

# %% [markdown]
# Nobody told the heads what to do. Read a few rows in each: where do the vowels look, and where do the consonants look?
# Try another name, such as your own, in lowercase and with at most eleven letters.
#
# A single name can deceive. So average over long names that the model has never seen: how far back does each head look?

# %%
long = [name for name in names()[1] if len(name) >= 8]
seen = who_looks(long)[:, :, 5:9, :9].mean(axis=0)  # letters 5 to 8, and whom they look at
chart = tl.Chart(f"The mean over {len(long)} names", x="letters back", y="weight", percent="y")
for head, w in enumerate(seen):
    chart.line(np.arange(6), [np.diagonal(w, 5 - back).mean() for back in range(6)], f"head {head}", points=True)
chart

# %% [markdown]
# Some heads look close by, at the letter itself and the one before. Others spread their attention over the whole name.
# A picture shows where a model looks. It does not show why.
#
# ## What to take with you
#
# * Attention is a weighted average: a matrix of weights, times the values. The weights are computed from the tokens.
# * Scores are dot products of queries and keys, divided by $\sqrt d$. The softmax runs over the keys.
# * The mask hides later tokens: minus infinity before the softmax, a weight of 0 after it.
# * Attention knows no order. Positions are added to the vectors.
# * Heads are parts of the vectors: several answers for the price of one.
#
# In tutorial 14 you train such a model from nothing.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | A word alone, who fits whom, `13-scores` | 16 | 4 |
# | Shares, `13-weights` | 10 | 4 |
# | Not ahead, `13-mask` | 10 | 4 |
# | Where, `13-position` | 10 | 4 |
# | Heads, `13-heads` | 8 | 4 |
# | On real text | 6 | |
#
# Twenty points in all. Short of time? Leave out `13-position`, and show the picture of the table.
#
# Likely mistakes, as diagnosis codes:
#
# * `unscaled`, `no-root` in `13-scores`: show the table of the largest weights again.
# * `reversed-axes`: `.T` of three axes. It fails where the sizes differ, and passes unseen where they do not.
# * `wrong-axis` in `13-weights`: runs, and even learns a little. Ask for the sum of a row.
# * `sum-not-kept`: an error for most shapes, and wrong numbers without one for square matrices.
# * `zero-is-no-mask` in `13-mask`: e^0 = 1. Ask what the weights of the row sum to.
# * `past-hidden`, `one-too-far`: let them draw the matrix for three tokens.
# * `column-for-pair`, `exponent-without-2` in `13-position`: compare a sine with its cosine in row 1.
# * `tokens-mixed` in `13-heads`: the shape is right and the numbers are not. A reshape never moves a number.
#
# From the zoo: `no_accumulate`. In the cell with the gradient `x` is used three times, as query, key and value. One
# of the three shares is left.
#
# Ask at the end: a text of twice the length has how many weights? Four times as many, and that is the price of
# attention.
