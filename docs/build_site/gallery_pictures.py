"""One picture for each tutorial: what its reader will be able to read at the end.

Each is a function of no argument, named after the number of its tutorial. They are small: a build makes all of them.
"""

from itertools import pairwise

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.data import digits, names
from tinygrad_lora.nn.adapters.quantized import LEVELS
from tinygrad_lora.view import plots
from tinygrad_lora.view.chart import images

SIZE = (300, 190)


def picture_01():
    """A graph of one product and one sum, with its values."""
    x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
    z = x * y + x
    z.name = "z"
    return tl.draw(z, values=True, legend=False, rankdir="LR")


def picture_02():
    """A graph that is waiting for its input."""
    x, w = tl.placeholder((), name="x"), tl.parameter(2.0, "w")
    return tl.draw(tl.relu(x * w) + x, legend=False, rankdir="LR")


def picture_03():
    """The curve of tanh and its tangent."""
    x, xs = 0.5, np.linspace(-1.5, 2, 80)
    chart = tl.Chart("A slope is a tangent", x="x", y="y", size=SIZE)
    chart.line(xs, np.tanh(xs), "tanh x").line(xs, np.tanh(x) + (1 - np.tanh(x) ** 2) * (xs - x), "tangent")
    return chart.points(x, np.tanh(x), series=7)


def picture_04():
    """A node with two users gets two shares of the gradient."""
    x = tl.parameter(3.0, "x")
    z = tl.exp(x) + x * 2.0
    z.name = "z"
    z.backward()
    return tl.draw(z, values=True, gradients=True, legend=False)


def picture_05():
    """The Jacobian of a softmax and of a mean taken away, as colored cells."""
    at = np.random.default_rng(0).normal(size=6)
    functions = {"softmax(x)": tl.softmax, "x - mean(x)": lambda x: x - tl.mean(x), "tanh(x)": tl.tanh}
    return images([tl.jacobian(f)(at) for f in functions.values()], list(functions), colors="signed", size=84)


def picture_06():
    """The size of numbers behind each of 20 layers, for three ways to begin."""
    chart = tl.Chart("Explodes, or vanishes", x="layer", y="mean square", log="y", size=SIZE)
    for spread in (0.25, 0.14, 0.07):
        rng = np.random.default_rng(0)
        x, sizes = rng.normal(size=(200, 100)), []
        for _ in range(20):
            x = np.maximum(x @ (spread * rng.normal(size=(100, 100))), 0)
            sizes.append((x**2).mean())
        chart.line(range(1, 21), sizes, f"spread {spread}", points=True)
    return chart


def picture_07():
    """Two spirals, and the border that a small network has drawn between them."""
    rng, turn = np.random.default_rng(0), np.linspace(0.3, 1.0, 60)[:, None] * 2 * np.pi
    arm = turn / (2 * np.pi) * np.hstack([np.cos(turn), np.sin(turn)])
    spirals, which = np.vstack([arm, -arm]) + 0.02 * rng.normal(size=(120, 2)), np.repeat([0, 1], 60)
    layers = [tl.Linear(2, 32, seed=0), tl.tanh, tl.Linear(32, 32, seed=1), tl.tanh, tl.Linear(32, 2, seed=2)]
    model = tl.Sequential(*layers)
    step = tl.compile_training_step(model, tl.cross_entropy, tl.Adam(model.parameters(), lr=0.01))
    for _ in range(400):
        step(spirals, which)
    return plots.decision_boundary(model, spirals, which)


def picture_08():
    """How far a training is from its goal when one bad batch comes, with clipped gradients and without."""
    chart, slope = tl.Chart("One bad batch", x="step", y="distance", log="y", size=SIZE), np.ones((4, 1))
    for label, limit in {"not clipped": None, "clipped": 2.0}.items():
        rng, model, far = np.random.default_rng(0), tl.Linear(4, 1, seed=0), []
        step = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), lr=0.03, max_norm=limit))
        for number in range(120):
            x = rng.normal(size=(16, 4))
            step(x, x @ slope + (1000.0 if number == 60 else 0.1) * rng.normal(size=(16, 1)))
            far.append(np.linalg.norm(model.weight.value - slope))
        chart.line(range(120), far, label)
    return chart


def picture_09():
    """The graph of LoRA's formula, as the compiler sees it."""
    shapes = ((8, 6), (6, 5), (6, 2), (2, 5))
    return tl.draw(tl.trace(lambda x, W, A, B: x @ W + x @ (A @ B), *map(np.ones, shapes)), legend=False)


def picture_10():
    """Which array of a compiled gradient lives where in memory, and how long."""
    W = tl.parameter(np.ones((6, 5)), "W")
    compiled = tl.compile(lambda x, t: tl.gradients(tl.mse(tl.tanh(x @ W), t), W))
    return plots.memory(compiled.prepare(np.ones((4, 6)), np.ones((4, 5))))


def picture_11():
    """A, B and their product: a matrix of rank two."""
    layer = tl.LoRALayer(16, 12, rank=2, seed=0)
    layer.lora_B.value = np.random.default_rng(1).normal(size=(2, 12))
    return plots.heatmaps(layer)


def picture_12():
    """Digits as they are, and rotated by a quarter."""
    data = digits()
    upright = data.x_test[[int(np.flatnonzero(data.y_test == label)[0]) for label in (3, 2, 5, 7)]].reshape(-1, 8, 8)
    return images([*upright, *np.rot90(upright, axes=(1, 2))], columns=4, size=64)


def picture_13():
    """Which word looks at which."""
    words = ["row", "your", "boat", "down", "the", "stream"]
    scores = np.random.default_rng(3).normal(size=(6, 6)) * 2 + np.where(np.tri(6), 0, -np.inf)
    ticks = dict(enumerate(words))
    chart = tl.Chart("Who looks at whom", x="is looked at", y="asks", xticks=ticks, yticks=ticks, size=(210, 190))
    return chart.image(tl.softmax(scores), colors="share", limit=1.0)


def picture_14():
    """Which letter follows which, in five thousand first names."""
    letters, (train, _) = "abcdefghijklmnopqrstuvwxyz", names()
    counts = np.zeros((26, 26))
    for name in train:
        for one, after in pairwise(name):
            if one in letters and after in letters:
                counts[letters.index(one), letters.index(after)] += 1
    ticks = dict(list(enumerate(letters))[::5])
    chart = tl.Chart("What comes next?", x="next letter", y="letter", xticks=ticks, yticks=ticks, size=(210, 210))
    return chart.image(np.sqrt(counts), colors="share", limit=float(np.sqrt(counts.max())))


def picture_15():
    """Weights as a histogram, and the sixteen levels that four bits can tell apart."""
    weights = np.random.default_rng(0).normal(size=(400, 64))
    counts, edges = np.histogram(weights / np.abs(weights).max(axis=1, keepdims=True), bins=40)
    chart = tl.Chart("Sixteen levels", x="weight / largest", y="how many", size=SIZE)
    return chart.bars(edges, counts, "weights").points(LEVELS, np.full(16, -0.08 * counts.max()), "NF4", series=2)


def picture_16():
    """A digit, and where two small kernels find edges in it."""
    image = digits().x_test[3].reshape(1, 1, 8, 8)
    edge = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    found = [np.abs(tl.conv2d(image, kernel.reshape(1, 1, 3, 3))[0, 0]) for kernel in (edge, edge.T)]
    return images([image[0, 0], *found], ["digit", "upright edges", "level edges"], size=84)
