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
# # 14 · A language model from nothing
# *Outcome: you can train a GPT, draw text from it, and tell whether it is any good. · 60 minutes*
#
# Here are the first letters of a name: `chr`. What comes next? If you can say that well, letter after letter, you can
# invent names. That is all a language model does.

# %%
import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread
from tinygrad_lora.data import names
from tinygrad_lora.models.names import LETTERS, encode, letter_loss
from tinygrad_lora.nn import attention as engine
from tinygrad_lora.view import plots

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %%
train, test = names()
print(f"{len(train):,} first names to learn from, {len(test)} to test on")
print(", ".join(train[:12]))

# %% [markdown]
# A name becomes a row of numbers. A dot begins it, and another dot ends it. So the model also learns where a name ends.
# Rows of short names are filled up with 27, the **padding**.

# %%
rows, kept = encode(train), encode(test)
print("letters:", LETTERS)
print("ada is", *encode(["ada"])[0])

# %% [markdown]
# ## Count
#
# The simplest model looks at only one letter. Which letter followed it, and how often? Such pairs are called
# **bigrams**. Counting them takes one line.

# %%
before, after = rows[:, :-1], rows[:, 1:]
real = after < 27  # what is no padding
counts = np.zeros((27, 27))
np.add.at(counts, (before[real], after[real]), 1)
letter = {name: i for i, name in enumerate(LETTERS)}
for a, b in ("qu", "an", "xk", ".j"):
    print(f"{a} is followed by {b} in {counts[letter[a], letter[b]]:.0f} of {counts[letter[a]].sum():.0f} cases")

# %%
table = (counts + 0.1) / (counts + 0.1).sum(axis=1, keepdims=True)  # 0.1, so that nothing is impossible
ticks = dict(enumerate(LETTERS))
tl.Chart("Each row: what comes next", x="next", y="letter", xticks=ticks, yticks=ticks, size=(430, 430)).image(
    table, colors="share"
)

# %% [markdown]
# Find the `u` after the `q`, and the vowels. The dot is a letter, too: which letters begin a name, and which end it?
#
# This table can already write. Begin with a dot, draw the next letter, and go on until a dot comes.


# %%
def write(scores_of, count=8, seed=0, **options):
    """So many new names; `scores_of` gives the scores of the next letter for a list of letters."""
    rng, words = np.random.default_rng(seed), []
    while len(words) < count:
        tokens = [0]
        while len(tokens) < 12 and (len(tokens) == 1 or tokens[-1]):
            tokens.append(tl.sample(scores_of(tokens), seed=rng, **options))
        words.append("".join(LETTERS[token] for token in tokens[1:]).strip("."))
    return " ".join(words)


print(write(lambda tokens: np.log(table[tokens[-1]])))

# %% [markdown]
# These are not quite names, but not noise either. How good is the table? We need a number, and it must be measured on
# names that were not counted.
#
# Take the mean cross-entropy of tutorial 07. A loss is hard to imagine, so raise $e$ to that power: the result is the
# **perplexity**.

# %% predict="14-guess"
tl.predict("14-guess")


# %%
def perplexity(loss):
    return float(np.exp(loss))


x, y = kept[:, :-1], kept[:, 1:]
pairs = -np.log(table[x[y < 27], y[y < 27]]).mean()
print(f"no idea        loss {np.log(27):.2f}, perplexity {perplexity(np.log(27)):.1f}")
print(f"table of pairs loss {pairs:.2f}, perplexity {perplexity(pairs):.1f}")

# %% [markdown]
# The table hesitates among 11 letters, while a model without any idea hesitates among 27.
#
# ## The same by gradient
#
# Now take a network that can do exactly that: a table of 27 by 27 scores. The softmax of a row is its prediction. There
# is no counting, only a loss and its gradient.

# %% predict="14-push"
tl.predict("14-push")

# %%
W = tl.parameter(np.zeros((27, 27)), "W")
optimizer, losses = tl.Adam([W], lr=tl.linear(0.3, 0.0, 400)), []
shares = (counts + 0.1) / (counts + 0.1).sum()
for _ in range(400):
    optimizer.zero_gradients()
    loss = -tl.sum(tl.log_softmax(W) * shares)
    loss.backward()
    optimizer.step()
    losses.append(float(loss))
learned = tl.softmax(W.value)
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
print(f"largest difference from the table of counts: {abs(learned - table).max():.4f}")

# %% [markdown]
# The numbers are the same. Where the gradient is zero, the probability equals the share, for each pair. So why bother
# with gradients? Because counting ends here. A table that looks back at two letters has 27 times as many rows, and most
# of them stay empty. A network may look at everything that came before.
#
# ## Longer pieces
#
# There is another way to see more: make the tokens longer. If `an` is one token, a pair of tokens is up to four
# letters. Which pieces deserve a token of their own?

# %% predict="14-join"
tl.predict("14-join")

# %% exercise="14-pairs"
train_pairs, cut = reference("14-pairs")

# %% [markdown]
# Here is what the engine joins in our names. It works on bytes, so it can read any text, whatever the script.

# %%
tokenizer = tl.train_byte_pairs(train, size=256 + 60)
joined = [tokenizer.vocabulary[i] for i in range(256, 256 + 60)]
print("the first joins:", " ".join(joined[:15]))
print("the last joins: ", " ".join(joined[-15:]))
for name in ("christopher", "annabelle", "zoe"):
    print(name, "=", " + ".join(tokenizer.vocabulary[i] for i in tokenizer.encode(name)))

# %% [markdown]
# Large models have 50,000 such pieces and more. For names we stay with letters: then a token is something you can see.
#
# ## The GPT
#
# Each token has a vector, and so does each place. **Attention** lets each letter look at those before it, as in
# tutorial 13. A small network works on each letter alone. Both only add to the vector, and a norm before each keeps its
# size.


# %%
class GPT(tl.Layer):
    """Letters (names, places) to scores of the next letter, (names, places, 27)."""

    takes_indices = True  # letters are whole numbers

    def __init__(self, width=16, count=4, seed=0, causal=True):
        rng, self.count, self.causal = np.random.default_rng(seed), count, causal
        self.letters, self.places = (
            tl.Embedding.from_arrays((0.1 * rng.normal(size=(n, width))).astype(np.float32)) for n in (28, 12)
        )
        self.q, self.k, self.v, self.o, self.up, self.down, self.head = (
            tl.Linear(n * width, m, bias=False, seed=rng, dtype=np.float32)
            for n, m in [(1, width)] * 4 + [(1, 4 * width), (4, width), (1, 27)]
        )
        self.norms = [tl.RMSNorm(width, dtype=np.float32) for _ in range(3)]

    def __call__(self, tokens):
        time = tokens.shape[1]
        mask = tl.constant(engine.causal_mask(time, dtype=np.float32) * self.causal)
        x = self.letters(tokens) + self.places(np.arange(time))
        h = self.norms[0](x)
        q, k, v = (engine.heads(project(h), self.count) for project in (self.q, self.k, self.v))
        x = x + self.o(engine.attention(q, k, v, mask))
        x = x + self.down(tl.relu(self.up(self.norms[1](x))))
        return self.head(self.norms[2](x))


model = GPT()
start = letter_loss(model(x), y)
print(f"{model.parameter_count:,} numbers, and before any training the perplexity is {perplexity(start.value):.1f}")

# %% [markdown]
# That is the whole network. GPT-2 has more blocks of this kind, wider vectors, and pieces in place of letters.
#
# What is the label of a text? The text itself. It only has to be moved by one place.

# %% predict="14-questions"
tl.predict("14-questions")

# %% exercise="14-step"
train_step = reference("14-step")

# %% [markdown]
# Now the same step, compiled, a thousand times. Thanks to the padding, names of all lengths have one shape, so one
# program is enough.


# %%
def trained(model, steps, seed=0):
    """The losses of so many steps of Adam, with 16 names each."""
    optimizer = tl.Adam(model.parameters(), lr=tl.linear(0.02, 0.0, steps))
    step, rng, losses = tl.compile_training_step(model, letter_loss, optimizer), np.random.default_rng(seed), []
    for _ in range(steps):
        batch = rows[rng.integers(0, len(rows), 16)]
        losses.append(step(batch[:, :-1], batch[:, 1:]))
    return losses


losses = trained(model, 1000)
final = float(letter_loss(model(x), y).value)
print(f"on the names that were kept: loss {final:.2f}, perplexity {perplexity(final):.1f}")
plots.loss_curves({"GPT": losses}, smooth=20).rule(y=pairs, label="table of pairs", series=1)

# %% [markdown]
# After some dozens of steps it is better than the table. And it writes:

# %%
print(write(lambda tokens: model.forward(np.array([tokens]))[0, -1]))

# %% [markdown]
# Are these in the list? Look some of them up with `in train`. A model that only repeats has learned by heart.
#
# Now train one yourself, until it is good enough on names that it has not seen. This network is in the package as
# `NameModel`.

# %% exercise="14-perplexity"
fit = reference("14-perplexity")

# %% [markdown]
# ## What it has learned
#
# Nobody told the network what a vowel is. For it, each letter is a vector of 16 numbers. Here are the two directions in
# which these vectors differ most.

# %%
vectors = model.letters.weight.value[:27]
vectors = vectors - vectors.mean(axis=0)
U, S, _ = np.linalg.svd(vectors, full_matrices=False)
place = U[:, :2] * S[:2]
chart = tl.Chart("The letters, as the network has arranged them", size=(480, 360))
for name, group in {"vowels": "aeiouy", "consonants": "bcdfghjklmnpqrstvwxz", "dot": "."}.items():
    which = [letter[one] for one in group]
    chart.points(place[which, 0], place[which, 1], name)
for one, (a, b) in zip(LETTERS, place, strict=True):
    chart.text(a, b, one, shift=(10, 0))
chart

# %% [markdown]
# The vowels are close together, because the same letters follow them and precede them.
#
# ## Draw
#
# The network returns scores. Which letter do we take? Always taking the best one is dull. Drawing with the predicted
# probabilities is lively, and at times silly. The **temperature** lets you choose between the two.

# %% predict="14-heat"
tl.predict("14-heat")

# %% exercise="14-draw"
draw = reference("14-draw")

# %%
for temperature in (0.0, 0.5, 1.0, 2.0):
    new = write(lambda tokens: model.forward(np.array([tokens]))[0, -1], temperature=temperature)
    print(f"temperature {temperature}: {new}")
new = write(lambda tokens: model.forward(np.array([tokens]))[0, -1], top_k=5)
print(f"among the best 5: {new}")

# %% [markdown]
# At temperature 0 there is no chance, so all names are the same one. Write your own first letters into `tokens = [0]`,
# as `[0, 3, 8, 18]` for `chr`, and see how they go on.
#
# ## A loss too good to be true
#
# Our network has a causal mask. What if it were missing?

# %% predict="14-peek"
tl.predict("14-peek")

# %%
peeker = GPT(causal=False)
histories = {"without a mask": trained(peeker, 300), "with a mask": losses[:300]}
new = write(lambda tokens: peeker.forward(np.array([tokens]))[0, -1])
print(f"without a mask it writes {new!r}")
plots.loss_curves(histories, smooth=10)

# %% [markdown]
# The lower loss belongs to the worse model: all its names are empty. When it writes, there is no future to peek at, and
# it has never learned to guess. If a loss is far too good, look for a leak. Some leaks are better hidden than this one.

# %% exercise="14-future"
sees_nothing_ahead = reference("14-future")

# %% [markdown]
# ## What to take with you
#
# * A language model gives the next token a probability. Its loss is the cross-entropy, and $e$ to its power is the
#   perplexity.
# * Counting pairs and training a table give the same numbers. Gradients go on where counting ends.
# * A text is its own label, moved by one place. With a causal mask each place is a question.
# * Padding makes rows equally long, and the loss ignores it.
# * The temperature divides scores. Low is safe and dull, high is lively and silly.
# * If a loss is too good, change the future, and see whether the past moves.
#
# In tutorial 15 this model is made smaller.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | Count, the same by gradient | 12 | |
# | Longer pieces, `14-pairs` | 14 | 5 |
# | The GPT, `14-step` | 10 | 4 |
# | `14-perplexity`, what it has learned | 8 | 5 |
# | Draw, `14-draw` | 8 | 4 |
# | A loss too good to be true, `14-future` | 8 | 5 |
#
# Twenty-three points in all. Short of time? Give `14-pairs` as homework: nothing after it needs it.
#
# Likely mistakes, as diagnosis codes:
#
# * `counted-once` in `14-pairs`: the pairs are counted once and sorted. Ask what the neighbors of a new token are.
# * `tie-by-appearance`: two students get other joins, and both are sure. A rule for ties makes it a format.
# * `not-shifted` in `14-step`: the loss falls to 0, since the answer is the question. Let them look at the samples.
# * `padding-counts`: the loss looks better than it is. Four places in ten are padding.
# * `above-threshold` in `14-perplexity`: a rate that falls to 0 is worth more than twice the steps.
# * `temperature-multiplied`, `probabilities-divided` in `14-draw`: try temperature 2 and 0.5 on two letters.
# * `masked-after-softmax` in `14-future`: the weights are right, and the sum below them is not. Most find it last.
#
# From the zoo: `no_accumulate`. Each vector is used twice, by a norm and by the sum after it, and one share is lost.
# Let them make 150 steps in the block, with `train_step`: the loss stays near 3.3, that of no idea.
#
# Ask at the end: the network has 4,192 numbers, and the table of pairs 729. Who could learn the names by heart?
