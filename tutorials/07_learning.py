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
# # 07 · Learning
# *Outcome: you can train a network, with a loss and an optimizer that you wrote yourself. · 60 minutes*
#
# We have a network, and gradients for all of its numbers. What must happen now so that it reads digits?

# %%
import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread
from tinygrad_lora.data import digits
from tinygrad_lora.view.chart import images

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %%
data = digits()
print(f"{len(data.x_train):,} images to learn from, {len(data.x_test)} to test on")
images(data.x_train[:8].reshape(-1, 8, 8), data.y_train[:8], columns=8, size=44)

# %% [markdown]
# ## How wrong is it?
#
# For an image, a network returns ten numbers, the **logits**: one for each digit. The largest one wins.
# The softmax of tutorial 05 turns them into probabilities.


# %%
def network(seed=0):
    return tl.Sequential(tl.Linear(64, 32, seed=seed), tl.relu, tl.Linear(32, 10, seed=seed + 1))


def accuracy(model):
    """The share of the test images that it reads right."""
    return (model.forward(data.x_test).argmax(axis=1) == data.y_test).mean()


model = network()
probabilities = tl.softmax(model.forward(data.x_train[:3]))
for row, label in zip(probabilities, data.y_train, strict=False):
    print(" ".join(f"{p:.2f}" for p in row), f" a {label} has {row[label]:.2f}")
print(f"accuracy {accuracy(model):.0%}")

# %% [markdown]
# The network has no idea: every digit gets about 0.1. We want one number that says how bad that is.
# And it must have a slope, so counting mistakes will not do: the count does not move when a logit moves a little.
#
# Let $p$ be the probability of the right class, and take $-\ln p$:

# %%
for p in (0.9, 0.5, 0.1, 0.001):
    print(f"p = {p:<5}  loss {-np.log(p):.2f}")

# %% [markdown]
# Sure and right costs little. Sure and wrong costs a lot. The mean over all samples is the **cross-entropy**.

# %% predict="07-no-idea"
tl.predict("07-no-idea")

# %% [markdown]
# With ten classes and no idea, the loss is about $-\ln 0.1$. The network before any training shows that:

# %%
print(f"the network's loss: {float(tl.cross_entropy(model(tl.constant(data.x_train)), data.y_train)):.2f}")

# %% [markdown]
# Its gradient is simpler than the loss itself. The engine can derive it:

# %%
x, labels = tl.placeholder((4, 10), name="x"), tl.placeholder((4,), int, "labels")
tl.formula({"dL/dx": tl.gradients(tl.cross_entropy(x, labels), x)})

# %% [markdown]
# It is the probabilities minus the truth, divided by the number of samples. Here are three classes, and the label 0:

# %%
logits = tl.parameter([[2.0, 1.0, 0.0]], "logits")
tl.cross_entropy(logits, np.array([0])).backward()
print("p       ", tl.softmax(logits.value).round(2))
print("gradient", logits.gradient.round(2))

# %% predict="07-sure"
tl.predict("07-sure")

# %% [markdown]
# Change the 2.0 to 6.0 to see it. Why should a good network learn less?
#
# One more thing. What if a logit is 1,000?

# %%
with np.errstate(all="ignore"):
    e = np.exp(np.array([1000.0, 0.0]))
    print("e^x:", e, " softmax:", e / e.sum())
print("the engine's loss:", float(tl.cross_entropy(np.array([[1000.0, 0.0]]), np.array([1]))))

# %% exercise="07-cross-entropy"
cross_entropy, cross_entropy_vjp = reference("07-cross-entropy")

# %% [markdown]
# ## Downhill
#
# Think of a landscape: a position in it is a value for each parameter, and the height there is the loss. The gradient
# points up the slope. So go the other way, a little: $p \leftarrow p - \eta\,g$. The factor $\eta$ is the
# **learning rate**, `lr`.

# %% predict="07-downhill"
tl.predict("07-downhill")

# %% [markdown]
# Two parameters can be drawn. Let a line $w x + b$ go through 40 points:

# %%
rng = np.random.default_rng(0)
points = rng.normal(3.0, 1.0, size=(40, 1))
heights = 1.5 * points - 2.0 + rng.normal(0.0, 0.3, size=(40, 1))


def walk(make_optimizer, steps=150):
    """Where w and b are after each step, and the loss there."""
    w, b = tl.parameter([[-1.0]], "w"), tl.parameter([2.0], "b")
    optimizer, path = make_optimizer([w, b]), []
    for _ in range(steps):
        loss = tl.mse(tl.constant(points) @ w + b, heights)
        path.append((w.value.item(), b.value.item(), float(loss)))
        optimizer.zero_gradients()
        loss.backward()
        optimizer.step()
    return np.array(path)


for lr in (0.001, 0.01, 0.05, 0.09, 0.1):
    path = walk(lambda parameters, lr=lr: tl.SGD(parameters, lr=lr))
    print(f"lr {lr:<5}  loss {path[0, 2]:6.2f} -> {path[-1, 2]:.3g}")

# %% [markdown]
# If the rate is too small, the line hardly moves. If it is too large, each step jumps over the valley, and lands higher
# up. The best rate is not far below the one that explodes.


# %%
def landscape(paths, title):
    w, b = np.linspace(-1.5, 3.5, 80), np.linspace(-4.5, 4.0, 80)
    errors = points.ravel() * w[:, None] + b[:, None, None] - heights.ravel()
    chart = tl.Chart(title, x="w", y="b", size=(420, 280))
    chart.contours(w, b, np.log((errors**2).mean(axis=-1)), levels=14)
    for name, path in paths.items():
        chart.line(path[:, 0], path[:, 1], name, points=True)
    return chart.points(1.5, -2.0, "true line", series=7)


paths = {f"lr {lr}": walk(lambda parameters, lr=lr: tl.SGD(parameters, lr=lr)) for lr in (0.01, 0.09)}
landscape(paths, "150 steps: across the valley fast, along it slowly")

# %% [markdown]
# The landscape is a narrow valley. Across it the slope is steep, and along it nearly flat.
# A rate that is small enough for the one is far too small for the other.
#
# ## Two remedies
#
# **Momentum.** Remember where you were going. Back and forth cancels out, and along the valley the steps add up.

# %% exercise="07-momentum"
momentum_step = reference("07-momentum")

# %% [markdown]
# **Adam.** Measure how large the gradient of each number usually is, and divide by it.
# Then steep and flat directions get steps of similar size.

# %% exercise="07-adam"
adam_step = reference("07-adam")

# %% [markdown]
# The engine has both. On our valley:

# %%
paths = {
    "SGD": walk(lambda parameters: tl.SGD(parameters, lr=0.05)),
    "momentum": walk(lambda parameters: tl.SGD(parameters, lr=0.02, momentum=0.9)),
    "Adam": walk(lambda parameters: tl.Adam(parameters, lr=0.3)),
}
for name, path in paths.items():
    print(f"{name:<8}  loss after 150 steps {path[-1, 2]:.3f}")
landscape(paths, "Three ways down")

# %% [markdown]
# Each needs a rate of its own: a rate of 0.3 is good for Adam, but not for SGD. Try it.

# %% [markdown]
# ## A step
#
# A step of training has five parts. In most orders it fails, and in some of those it still seems to learn.

# %% exercise="07-step"
train_step = reference("07-step")

# %% [markdown]
# What can be learned in this way? Here are two spirals, which no straight line can separate:

# %%
from tinygrad_lora.view import plots

turn = np.linspace(0.3, 1.0, 120)[:, None] * 2 * np.pi
arm = turn / (2 * np.pi) * np.hstack([np.cos(turn), np.sin(turn)])
spirals = np.vstack([arm, -arm]) + 0.02 * rng.normal(size=(240, 2))
which = np.repeat([0, 1], 120)

plane = tl.Sequential(tl.Linear(2, 32, seed=0), tl.tanh, tl.Linear(32, 32, seed=1), tl.tanh, tl.Linear(32, 2, seed=2))
optimizer = tl.Adam(plane.parameters(), lr=0.01)
plots.decision_boundary(plane, spirals, which)

# %%
step = tl.compile_training_step(plane, tl.cross_entropy, optimizer)
losses = [step(spirals, which) for _ in range(300)]
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2g}")
plots.decision_boundary(plane, spirals, which)

# %% [markdown]
# `compile_training_step` does your five parts in one generated function. Tutorials 09 and 10 show how.
#
# ## Digits
#
# All images at once give a good gradient, but slowly. A few dozen give a rough gradient, and many steps in the same
# time. Such a part is called a **batch**, and one round through all images an **epoch**.


# %%
def train(optimizer_for, epochs=8, batch=32, seed=0):
    """A network, and the loss of every batch."""
    model, losses, rng = network(seed), [], np.random.default_rng(seed)
    step = tl.compile_training_step(model, tl.cross_entropy, optimizer_for(model.parameters()))
    for _ in range(epochs):
        order = rng.permutation(len(data.x_train))
        for i in range(0, len(order), batch):
            rows = order[i : i + batch]
            losses.append(step(data.x_train[rows], data.y_train[rows]))
    return model, losses


histories = {}
for name, optimizer_for in {
    "SGD 0.1": lambda parameters: tl.SGD(parameters, lr=0.1),
    "momentum 0.1": lambda parameters: tl.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam 0.005": lambda parameters: tl.Adam(parameters, lr=0.005),
}.items():
    model, histories[name] = train(optimizer_for)
    print(f"{name:<12}  {len(histories[name])} steps, accuracy {accuracy(model):.1%}")

# %%
plots.loss_curves(histories, smooth=15, log=True)

# %% [markdown]
# Now try your own rule in the engine's loop. `using` puts it in place of `optimizer.step()`.

# %% exercise="07-digits"
update, plan = reference("07-digits")

# %% [markdown]
# Your momentum and your Adam fit in there as well:

# %%
for rule in (momentum_step, adam_step):
    memory, model = {}, network()
    optimizer = tl.SGD(model.parameters(), lr=0.01)
    try:
        with tl.using(optimizer_step=lambda parameters, lr, rule=rule, memory=memory: rule(parameters, lr, memory)):
            for i in range(300):
                rows = slice(i * 32 % 1408, i * 32 % 1408 + 32)
                optimizer.zero_gradients()
                tl.cross_entropy(model(tl.constant(data.x_train[rows])), data.y_train[rows]).backward()
                optimizer.step()
        print(f"{rule.__name__:<13}  accuracy {accuracy(model):.1%}")
    except NotImplementedError:
        print("write this rule, then run the cell again")

# %% [markdown]
# Which digits does it still get wrong?

# %%
model, losses = train(lambda parameters: tl.Adam(parameters, lr=0.005), epochs=15)
logits = model.forward(data.x_test)
plots.confusion_matrix(logits, data.y_test)

# %%
wrong = np.flatnonzero(logits.argmax(axis=1) != data.y_test)
print(f"{len(wrong)} of {len(data.y_test)} are wrong")
shown = wrong[:6]
names = [f"is {data.y_test[i]}, read {logits[i].argmax()}" for i in shown]
images(data.x_test[shown].reshape(-1, 8, 8), names)

# %% [markdown]
# Would you have read these? The accuracy above is on images that the network has not seen. On those that it learned
# from, it is higher:

# %%
seen = (model.forward(data.x_train).argmax(axis=1) == data.y_train).mean()
print(f"learned from: {seen:.1%}, not seen: {accuracy(model):.1%}")

# %% [markdown]
# ## Learned, or learned by heart?
#
# Why keep images aside at all? Take a network and only 60 images, and train for a long time. After each step we measure
# the loss on these images, and on the 359 that were kept aside.

# %%
few = data.x_train[:60], data.y_train[:60]
student, losses = network(), {"60 images to learn from": [], "images kept aside": []}
step = tl.compile_training_step(student, tl.cross_entropy, tl.Adam(student.parameters(), lr=0.01))
for _ in range(300):
    losses["60 images to learn from"].append(step(*few))
    aside = tl.cross_entropy(student.forward(data.x_test), data.y_test)
    losses["images kept aside"].append(float(aside))
best = int(np.argmin(losses["images kept aside"]))
print(f"kept aside: loss {losses['images kept aside'][best]:.2f} after {best} steps, then up to {float(aside):.2f}")
print(f"accuracy on them {accuracy(student):.1%}")
plots.loss_curves(losses)

# %% [markdown]
# The first curve falls and falls. The second one falls, turns, and rises. From the turn on, the network learns these
# 60 images by heart, and it becomes more and more sure of its wrong answers. This is **overfitting**. Being right on
# images that it has not seen is called **generalization**.
#
# What helps? Take more images: above there were 1,438, and the gap was small. Stop at the turn. Or take a smaller
# network, which has no room to learn by heart.

# %% predict="07-more-images"
tl.predict("07-more-images")

# %% [markdown]
# Change the 60 to 600 to see it.
#
# You can also measure how good a learning rate is. Here is the loss after two epochs, for rates from far too small to
# far too large:

# %%
rates = 10.0 ** np.arange(-3, 1.1, 0.25)
with np.errstate(all="ignore"):
    final = [np.mean(train(lambda p, rate=rate: tl.SGD(p, lr=rate), epochs=2)[1][-10:]) for rate in rates]
chart = tl.Chart("A valley: too small, right, too large", x="learning rate", y="loss after two epochs", log="x")
chart.line(rates, final, points=True)

# %% [markdown]
# On the left nothing has happened yet. On the right each step jumps over the valley, and ends somewhere higher. Good
# rates lie in between, near the edge where the steps begin to jump.

# %% [markdown]
# ## What to take with you
#
# * The cross-entropy is $-\ln p$ of the right class. Its gradient is probabilities minus truth.
# * Subtract the largest logit first, and subtract logarithms instead of dividing. Then nothing overflows.
# * Momentum adds up steps that agree. Adam divides by the usual size of a gradient. Each has its own good rate.
# * A step: zero the gradients, forward, backward, update. An update before backward uses the last step's gradients.
#
# And if the loss does not fall? Tutorial 08 looks for the reason.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | How wrong is it?, `07-cross-entropy` | 16 | 7 |
# | Downhill | 8 | |
# | Two remedies, `07-momentum`, `07-adam` | 16 | 9 |
# | A step, `07-step` | 8 | 4 |
# | Digits, `07-digits` | 12 | 4 |
#
# Twenty-four points in all. Short of time? Give `07-adam` as homework; `07-digits` accepts any rule.
#
# Likely mistakes, as diagnosis codes:
#
# * `log-of-zero` in `07-cross-entropy`: the largest logit was taken away, yet the softmax still rounds to 0.
#   The difference of logarithms is the point of the exercise.
# * `factor`: the mean was forgotten in the gradient, and not in the loss. `missing-label`: p alone.
# * `damped` in `07-momentum`: the mean of Adam. Both are in use, with rates that differ by ten.
# * `rate-in-memory`: the same as long as the rate stays. Ask what a schedule does.
# * `counts-parameters` in `07-adam`: t grows inside the loop. The first parameter is right, the others are not.
# * `no-correction`: the first steps are too long, since the root of v is still smaller than m.
# * `not-zeroed` in `07-step`: it still learns, and that is why it is found late.
# * `diverged` and `too-slow-learning` in `07-digits`: let them plot the losses with `plots.loss_curves`.
#
# From the zoo: `no_accumulate`. Train with it in the block: the loss does not fall. The log-softmax uses its shifted
# logits twice, and one of the two shares is lost.
#
# Ask at the end: why may the accuracy on the images learned from be 100 %, and why is that alone not good news?
