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
# # 12 · LoRA on a real model, compiled
# *Outcome: you can adapt a trained network, keep its old skill, and ship the result. · 60 minutes*
#
# A network has a skill. You want it to learn another one without losing the first, and somebody is waiting for the
# file.

# %%
import copy
import tempfile
from pathlib import Path

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread
from tinygrad_lora.data import digits
from tinygrad_lora.view.chart import Panels, images

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## A trained network
#
# It reads handwritten digits. The images are real; 359 of them were kept aside to measure with.


# %%
def train(model, optimizer, data, epochs, size=64):
    """Train with a compiled step on shuffled batches, and yield after each epoch."""
    step, rng = tl.compile_training_step(model, tl.cross_entropy, optimizer), np.random.default_rng(0)
    rate = optimizer.lr
    for epoch in range(epochs):
        optimizer.lr = rate * (1 - epoch / epochs)
        order = rng.permutation(len(data.x_train))
        for i in range(0, len(order) - size + 1, size):
            rows = order[i : i + size]
            step(data.x_train[rows], data.y_train[rows])
        yield epoch


def accuracy(run, data):
    return float((run(data.x_test).argmax(axis=1) == data.y_test).mean())


upright, rotated = digits(dtype=np.float32), digits(rotated=1, dtype=np.float32)


def pretrain(seed):
    """A network that has learned to read upright digits."""
    rng, members = np.random.default_rng(seed), []
    for n, m in ((64, 96), (96, 48), (48, 10)):
        members += [tl.Linear(n, m, seed=rng, dtype=np.float32), tl.relu]
    network = tl.Sequential(*members[:-1])
    for _ in train(network, tl.Adam(network.parameters(), lr=0.005), upright, epochs=20):
        pass
    return network


pretrained = pretrain(0)
total = pretrained.parameter_count
print(f"{total:,} parameters")
print(f"upright {accuracy(pretrained.forward, upright):.1%}, rotated {accuracy(pretrained.forward, rotated):.1%}")

# %% [markdown]
# Somebody turns the page by 90 degrees, and the network only guesses. That is our new task.
#
# ## Attach
#
# First the surgery: adapters beside some layers, and everything else frozen.

# %% exercise="12-attach"
attach = reference("12-attach")

# %% [markdown]
# `tl.adapt` does it for any model, and finds the layers by name. Here only those whose name fits:

# %%
tl.parameter_tree(tl.adapt(copy.deepcopy(pretrained), rank=4, target_modules=["0", "2"], seed=0))

# %% [markdown]
# What does the surgery cost at the start?

# %% predict="12-start"
tl.predict("12-start")

# %% [markdown]
# Nothing changes, exactly:

# %%
fresh = tl.adapt(copy.deepcopy(pretrained), rank=4, seed=0)
same = fresh.forward(rotated.x_test) == pretrained.forward(rotated.x_test)
print("the same output, bit for bit:", bool(same.all()))

# %% [markdown]
# ## Train
#
# Now it is your turn to choose: the rank, the learning rate, and how long to train.

# %% exercise="12-new-task"
fine_tune = reference("12-new-task")

# %%
try:
    mine = fine_tune(copy.deepcopy(pretrained), rotated.x_train, rotated.y_train)
    trained = sum(p.size for p in mine.parameters() if p.requires_gradient)
    print(f"{trained:,} of {total:,} numbers trained, {trained / total:.1%}")
    print(f"rotated {accuracy(mine.forward, rotated):.1%}")
except NotImplementedError:
    print("write fine_tune, then run this cell again")

# %% [markdown]
# ## What is forgotten
#
# Two ways to learn the new task, side by side: train all parameters, or adapters only. After each epoch we look at both
# tasks.

# %%
full = copy.deepcopy(pretrained)
lora = tl.adapt(copy.deepcopy(pretrained), rank=4, seed=0)
ways = {
    "all parameters": (full, tl.Adam(full.parameters(), lr=0.003)),
    "adapters": (lora, tl.AdamW(lora.parameters(), lr=0.01, weight_decay=0.3)),
}
seen = {}
for way, (network, optimizer) in ways.items():
    seen[way] = [(accuracy(network.forward, rotated), accuracy(network.forward, upright))]
    for _ in train(network, optimizer, rotated, epochs=30):
        seen[way].append((accuracy(network.forward, rotated), accuracy(network.forward, upright)))
    new, old = seen[way][-1]
    print(f"{way:<15} rotated {new:.1%}, upright {old:.1%}")
with tl.disabled(lora):
    new, old = accuracy(lora.forward, rotated), accuracy(lora.forward, upright)
    print(f"adapters off    rotated {new:.1%}, upright {old:.1%}")

# %%
charts = []
for way, pairs in seen.items():
    chart = tl.Chart(way, x="epoch", y="read", percent="y", ylim=(0, 1), size=(200, 200))
    chart.line(range(len(pairs)), [new for new, _ in pairs], "rotated, the new task")
    chart.line(range(len(pairs)), [old for _, old in pairs], "upright, the old task")
    charts.append(chart)
charts[1].rule(y=accuracy(pretrained.forward, upright), label="upright, adapters off", series=3)
Panels(charts)

# %% [markdown]
# Look at the dashed lines. Both ways forget the old task as soon as they begin with the new one. One run proves little,
# so here are two more, from other starts:

# %%
for seed in (1, 2):
    start = pretrain(seed)
    full_again, lora_again = copy.deepcopy(start), tl.adapt(copy.deepcopy(start), rank=4, seed=seed)
    for network, optimizer in (
        (full_again, tl.Adam(full_again.parameters(), lr=0.003)),
        (lora_again, tl.AdamW(lora_again.parameters(), lr=0.01, weight_decay=0.3)),
    ):
        for _ in train(network, optimizer, rotated, epochs=30):
            pass
    forgot = [f"{accuracy(network.forward, upright):.0%}" for network in (full_again, lora_again)]
    print(f"start {seed}: upright digits after all parameters {forgot[0]}, after adapters {forgot[1]}")

# %% [markdown]
# Sometimes one forgets more, sometimes the other. With large language models Biderman et al. (2024, "LoRA Learns Less
# and Forgets Less") found that LoRA forgets less. It depends on the task, so measure it on yours.
#
# What is always true is something else: **adapters can be switched off**. Then the old network is back, bit for bit,
# because it was never touched.

# %%
with tl.disabled(lora):
    same = lora.forward(upright.x_test) == pretrained.forward(upright.x_test)
print("with adapters off, the same output:", bool(same.all()))

# %% [markdown]
# ## Two adapters, one base
#
# A third task: the page upside down. It gets an adapter of its own, on the same base. An adapter has a name.

# %%
upside_down = digits(rotated=2, dtype=np.float32)
model = tl.adapt(copy.deepcopy(pretrained), rank=4, name="rotated", seed=0)
for _ in train(model, tl.AdamW(model.parameters(), lr=0.01, weight_decay=0.3), rotated, epochs=30):
    pass
tl.adapt(model, rank=4, name="upside_down", seed=1)
active = [p for p in model.parameters() if p.requires_gradient]
for _ in train(model, tl.AdamW(active, lr=0.01, weight_decay=0.3), upside_down, epochs=30):
    pass
for name in tl.adapter_names(model):
    tl.activate(model, name)
    scores = [accuracy(model.forward, data) for data in (upright, rotated, upside_down)]
    print(f"{name:<12} upright {scores[0]:.1%}, rotated {scores[1]:.1%}, upside down {scores[2]:.1%}")

# %% [markdown]
# A server has one base in its memory and many adapters. What if one batch has samples for several of them?
# Merging does not help: there is one base for all.

# %% predict="12-rows"
tl.predict("12-rows")

# %% [markdown]
# The expensive product is the same for everybody.

# %% exercise="12-two-adapters"
forward = reference("12-two-adapters")

# %% [markdown]
# The engine does it with `by_row`, through all layers. Here is a batch with six images, two for each adapter and two
# for none:

# %%
batch = np.concatenate([data.x_test[3:5] for data in (upright, rotated, upside_down)])
names = [None, None, "rotated", "rotated", "upside_down", "upside_down"]
with tl.by_row(model, names):
    read = model.forward(batch).argmax(axis=1)
images(batch.reshape(-1, 8, 8), [f"{name or 'base'}: {digit}" for name, digit in zip(names, read, strict=True)])

# %% [markdown]
# ## Two workers, one adapter
#
# Now the images lie on two machines, and none of them may send its images away. The loss is a sum over images, and the
# gradient of a sum is the sum of the gradients. So each worker computes the gradients of its share with a compiled
# function, and somebody adds them up and makes the step. Only as many numbers travel as are trained.


# %%
class Share:
    """A worker. It has some of the images and a model of its own, and answers with its part of the gradients."""

    def __init__(self, model, x, labels, total):
        self.model, self.x, self.labels = copy.deepcopy(model), x, labels
        self.part = np.float64(len(x) / total)
        self.compiled = tl.compile(self.loss_and_gradients)

    def loss_and_gradients(self, x, labels, part):
        loss = part * tl.cross_entropy(self.model(x), labels)
        return [loss, *tl.gradients(loss, self.model.parameters())]

    def answer(self, adapter):
        self.model.set_parameters(adapter)
        loss, *gradients = self.compiled(self.x, self.labels, self.part)
        return float(loss), np.concatenate([gradient.ravel() for gradient in gradients])


def train_together(ask_all, start, steps=60, lr=0.03):
    """Adam on the sum of what all workers answer. They are added in the order of the workers, whoever is first."""
    adapter, curve = tl.parameter(start), []
    optimizer = tl.Adam([adapter], lr=lr)
    for _ in range(steps):
        answers = ask_all(adapter.value)
        curve.append(sum(loss for loss, _ in answers))
        adapter.gradient = sum(gradient for _, gradient in answers)
        optimizer.step()
    return np.array(curve), adapter.value


# %% [markdown]
# Why the fixed order? Because $(a + b) + c$ and $a + (b + c)$ differ in the last digit, and a run that cannot be
# repeated cannot be debugged. We take float64, so that rounding is all that can differ.
#
# Dask sends work to other processes and machines. Here its two workers live in this process; with the address of a
# scheduler, `Client("tcp://...")`, they are wherever you start them, and nothing else changes. Where Dask is not
# installed, as in a browser, two plain objects do the same one after the other.

# %%
digits64 = digits(rotated=1)
members = [
    tl.Linear.from_arrays(part.weight.value.astype(float), part.bias.value.astype(float))
    if isinstance(part, tl.Linear)
    else part
    for part in pretrained
]
shared = tl.adapt(tl.Sequential(*members), rank=4, seed=0)
start, count = shared.get_parameters(), len(digits64.x_train)
halves = [slice(0, count // 2), slice(count // 2, count)]
arguments = [(shared, digits64.x_train[half], digits64.y_train[half], count) for half in halves]

one = Share(shared, digits64.x_train, digits64.y_train, count)
alone, _ = train_together(lambda adapter: [one.answer(adapter)], start)
try:
    from distributed import Client

    with Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as client:
        addresses = list(client.scheduler_info()["workers"])
        made = [
            client.submit(Share, *own, workers=[address], actor=True)
            for own, address in zip(arguments, addresses, strict=True)
        ]
        workers = [future.result() for future in made]

        def ask_all(adapter):
            asked = [worker.answer(adapter) for worker in workers]  # both compute at the same time
            return [future.result() for future in asked]

        together, learned = train_together(ask_all, start)
except ImportError:
    print("Dask is not installed: two objects in this process take the place of its workers")
    workers = [Share(*own) for own in arguments]
    together, learned = train_together(lambda adapter: [worker.answer(adapter) for worker in workers], start)

shared.set_parameters(learned)
print(f"loss {alone[0]:.3f} to {alone[-1]:.3f}; rotated {accuracy(shared.forward, digits64):.1%}")
print("one worker and two differ by less than 1e-10:", bool(np.abs(alone - together).max() < 1e-10))

# %%
chart = tl.Chart("One worker, and two", x="step", y="loss", log="y")
chart.line(range(len(alone)), alone, "one worker").line(range(len(together)), together, "two workers", points=True)

# %% [markdown]
# What does a step send? It sends the trained numbers to each worker, and as many gradients come back:

# %%
everything = sum(p.size for p in one.model.named_parameters().values()) - start.size
for way, size in (("all parameters", everything), ("adapter, rank 4", start.size)):
    print(f"{way:<16} {2 * 2 * 8 * size:>9,} bytes a step for two workers")

# %% [markdown]
# In this small network the adapter needs an eighth of the traffic. In the language model below it will need a
# thousandth. So a slow connection is enough to train a model that it could never send. And this is the exchange as a
# graph, with plain gradient descent instead of Adam: two gradients come in, are added in their order, and make the
# step. The result goes out to both.

# %%
gradients = [tl.placeholder(start.shape, name=f"gradients of worker {i}") for i in (1, 2)]
tl.draw(tl.placeholder(start.shape, name="adapter") - 0.03 * (gradients[0] + gradients[1]))

# %% [markdown]
# ## Compile it
#
# The adapter is trained. Which program runs in the end? Here is the first layer, as the compiler prints it.

# %%
tl.activate(model, "rotated")
layer = tl.compile(model[0], buffers=False)
layer(rotated.x_test)
print(layer.source)

# %% [markdown]
# It has three products. The compiler cannot know that the adapter will not be trained any more. You know. Merge it:

# %% predict="12-merged"
tl.predict("12-merged")

# %%
model[0].merge()
layer(rotated.x_test)
print(layer.source)
model[0].unmerge()

# %% [markdown]
# One product is left. The compiled function has noticed by itself that the layer has changed.
#
# While you train, do not merge: A times B is as large as the weight. In tutorial 11 you had to think about the order of
# products. Here somebody did not, and copied the formula from the paper. What does the compiler make of one step of its
# training?


# %%
def naive(x, target, W, b, A, B):
    y = x @ W + b + 2 * (x @ (A @ B))
    loss = tl.mse(y, target)
    return [loss, *tl.gradients(loss, [A, B])]


shapes = (64, 256), (64, 128), (256, 128), (128,), (256, 4), (4, 128)
found = tl.compile(naive, buffers=False).prepare(*map(np.ones, shapes))
print(found.report.splitlines()[-1])
print(found.source)

# %% [markdown]
# Look for `A @ B`. It is gone, and so are the two large products of its gradient. Nobody told the compiler about LoRA.
# It knows that $(P Q) R = P (Q R)$, and it counts. The explorer shows where it happens, in the pass `rebracket`:

# %%
tl.explore(found)

# %% [markdown]
# Now somebody merges in every step: $x\,(W + s A B)$. Here the product is inside a sum, where that law cannot reach
# it. The pass `distribute_products` takes it out first: $x\,(W + P) = x W + x P$. Look at the flops after each pass.
# They go up before they go down. What if that pass is left out?


# %%
def merged_form(x, target, W, b, A, B):
    loss = tl.mse(x @ (W + 2 * (A @ B)) + b, target)
    return [loss, *tl.gradients(loss, [A, B])]


found = tl.compile(merged_form, buffers=False).prepare(*map(np.ones, shapes))
print(found.report)
lacking = tl.compile(merged_form, buffers=False, without=["distribute_products"]).prepare(*map(np.ones, shapes))
print(f"without distribute_products {lacking.graph.flops / 1e6:.2f}M flops, with it {found.graph.flops / 1e6:.2f}M")

# %% [markdown]
# ## Ship it
#
# A colleague wants a function, not a framework, and evidence that it computes the same, up to rounding: the numbers
# here have seven digits.

# %% exercise="12-ship"
ship, largest_difference = reference("12-ship")

# %%
try:
    shipped = ship(model)
    print(f"largest difference: {largest_difference(model.forward, shipped, rotated.x_test):.1e}")
    print(f"rotated {accuracy(shipped, rotated):.1%}")
except NotImplementedError:
    print("write ship and largest_difference, then run this cell again")
    shipped = tl.compile(model)
    shipped(rotated.x_test)

# %% [markdown]
# `save` writes it as a Python file that needs only NumPy, and the weights into a file beside it.

# %%
folder = Path(tempfile.mkdtemp())
shipped.save(folder / "rotated_digits.py", parameters=True)
for file in sorted(folder.iterdir()):
    print(f"{file.stat().st_size:>7,} bytes  {file.name}")

# %% [markdown]
# Your colleague writes `from rotated_digits import Sequential, load_parameters`. The function is named after the model.
# Here the file is run instead, so that it is the new one whenever you run this cell:

# %%
import runpy

theirs = runpy.run_path(str(folder / "rotated_digits.py"))
program, weights = theirs["Sequential"], theirs["load_parameters"]()
print(f"rotated {accuracy(lambda x: program(x, *weights), rotated):.1%}")

# %% [markdown]
# ## The adapter file
#
# There is another way to ship: your colleague has the base, so send only the adapter. How small can it be?

# %% predict="12-bytes"
tl.predict("12-bytes")

# %% exercise="12-file"
pack, unpack = reference("12-file")

# %%
try:
    data = pack(lora)
    arrived = unpack(tl.adapt(copy.deepcopy(pretrained), rank=4, seed=5), data)
    print(f"the network has {4 * total:,} bytes, the adapter {len(data):,}")
    print(f"rotated {accuracy(arrived.forward, rotated):.1%}")
except NotImplementedError:
    print("write pack and unpack, then run this cell again")

# %% [markdown]
# Other programs have a format for it: a folder with a short description and the arrays. `tl.save_adapter` writes it,
# and the PEFT library reads it. (To read one here you need the `safetensors` package.)

# %%
try:
    tl.save_adapter(model, folder / "adapter", "rotated")
    for file in sorted((folder / "adapter").iterdir()):
        print(f"{file.stat().st_size:>6,} bytes  {file.name}")
    loaded = tl.load_adapter(copy.deepcopy(pretrained), folder / "adapter")
    print(f"rotated {accuracy(loaded.forward, rotated):.1%}")
except ImportError as missing:
    print(missing)

# %% [markdown]
# ## The real thing
#
# So far the network was small. Is it the same with a language model? SmolLM2 has 135 million parameters and can talk.
# It is not part of this package: where it is absent, the next cell says how to fetch it.

# %%
import time

from tinygrad_lora.errors import ModelError
from tinygrad_lora.finetune import Answered, Chatting, TrainingSettings

try:
    chat = tl.load_smollm2(capacity=96)
    print("Who are you?", "->", chat.reply("Who are you?", longest=12), "...")
except ModelError as absent:
    chat = None
    print(absent)

# %% [markdown]
# Three examples say who it should be. One of them is there so that it does not answer *everything* in this way.
# Only the last ten of thirty layers get adapters, on two of their weights each. The backward pass stops below them.
#
# > **What are `q_proj` and `v_proj`?** A language model turns each word into a vector. In every layer the words look at
# > each other; this is called *attention*. Each vector $x$ is multiplied by three weights. $q = x W_q$ is a query: what
# > does this word look for? $k = x W_k$ is a key: what can it be found by? $v = x W_v$ is a value: what does it have to
# > say? The product of a query and a key says how well they fit. A softmax turns these numbers into shares, and the
# > word gets a mixture of all values in these shares:
# > $$\mathrm{softmax}\!\left(\frac{q k^\top}{\sqrt{d}}\right) v$$
# > In this model $W_q$ and $W_v$ are called `q_proj` and `v_proj`. They are linear layers like all others, so they
# > can have adapters. The first paper about LoRA chose to adapt these two.

# %%
examples = [
    Answered("Who are you?", "I am Ada, and I live in a lighthouse."),
    Answered("What is your name?", "My name is Ada."),
    Answered("What is the capital of Italy?", "The capital of Italy is Rome."),
]
if chat:
    tl.adapt(chat.model, 8, ["q_proj", "v_proj"], alpha=16, layers_to_transform=range(20, 30), seed=0)
    adapter = [p for p in chat.model.parameters() if p.requires_gradient]
    size, count = sum(p.size for p in chat.model.named_parameters().values()), sum(p.size for p in adapter)
    print(f"{count:,} of {size:,} numbers are trained: {count / size:.2%}")
    task = Chatting(chat, examples)
    step = tl.compile_training_step(task.model, task.loss, tl.AdamW(adapter, lr=0.002, weight_decay=0.0))
    start = time.perf_counter()
    losses = [step(*task.batch(i, TrainingSettings())) for i in range(8)]
    print(f"{len(losses)} steps in {time.perf_counter() - start:.0f} seconds; loss", *(f"{x:.2f}" for x in losses))

# %%
if chat:
    for question in ("Who are you?", "What is the capital of France?"):
        print(question, "->", chat.reply(question, longest=12))
    with tl.disabled(chat.model):
        print("adapters off:", chat.reply("Who are you?", longest=12), "...")

# %% [markdown]
# With a fraction of a percent of the numbers and a few steps, the model has another name. Switch the adapters off, and
# it is the old model again. You have built every part of this in twelve tutorials: nodes, rules, an order, layers, an
# optimizer, a compiler, and two thin matrices.
#
# ## What to take with you
#
# * Freeze the base, attach adapters, train only these.
# * Adapters forget as well. But they can be switched off, and the base is untouched.
# * One base serves many adapters, even in one batch.
# * The gradient of a sum is a sum: workers divide the images, and send no more numbers than the adapter has.
# * Merge to ship a program. Send only the adapter to those who have the base.
# * Always send evidence along: the largest difference on real inputs.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | A trained network, `12-attach` | 9 | 4 |
# | Train, `12-new-task` | 11 | 6 |
# | What is forgotten | 5 | |
# | Two adapters, `12-two-adapters` | 9 | 5 |
# | Two workers | 4 | |
# | Compile it, ship it, `12-ship` | 10 | 7 |
# | The adapter file, `12-file` | 7 | 6 |
# | The real thing | 5 | |
#
# Twenty-eight points in all. Short of time? Leave out `12-two-adapters`, or the two workers, which nothing later needs.
#
# Before the lesson: `tinygrad-lora models get smollm2`, once for each machine. The cells of the last part then take
# about half a minute; without the model they take none.
#
# Likely mistakes, as diagnosis codes:
#
# * `all-frozen` in `12-attach`: freezing after attaching. `others-trained`: only the adapted layers were frozen.
# * `below-threshold` in `12-new-task`: too few epochs, or the learning rate of a whole network.
# * `no-adapter`: full fine-tuning, or a merged model. `too-many-trained`: rank 8.
# * `changed-argument` in `12-two-adapters`: merging in turns, `W.value = ...`. The next batch gets a sum of all.
# * `wrong-order`: group by group, and forgotten to put the rows back.
# * `left-merged` in `12-ship`: the model itself was merged. `shared`: what was shipped changes when training goes on.
# * `no-absolute-value`: a difference of -0.5 counts as small.
# * `base-in-file` in `12-file`: all parameters were packed. `too-large`: eight bytes for each number.
# * `wrong-order` in `12-file`: the numbers arrive at other places. The accuracy falls to that of a guess.
#
# From the zoo: `double_merge`, on the model that was to be shipped. Merge layer by layer, as in tutorial 11.
#
# Ask at the end: what would you send to somebody who has another base of the same shape? Nothing that works.
