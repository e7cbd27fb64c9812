r"""Four planted mistakes

Here is the code of somebody whose network does not learn. Each of the four functions has one mistake. Find them, and
make the network read at least 95 % of the digits.

| function | should |
|---|---|
| `prepare(images, like)` | shift and scale each pixel, so that the images `like` have mean 0 and spread 1 in it |
| `build(seed)` | return a network of 64, 32 and 10 units, ready to learn |
| `measure(logits, labels)` | return the loss, a node: the cross-entropy |
| `step(model, loss, optimizer, x, target)` | do one step of training, and return the loss as a number |

Do not only read: look. `tl.first_nonfinite`, `plots.activation_histograms`, `plots.gradient_norms` and
`plots.loss_curves` are your instruments.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.data import digits
from tinygrad_lora.errors import GradientError
from tinygrad_lora.learn.authoring import (
    Diagnosis,
    Exercise,
    all_same,
    as_array,
    diagnose_step,
    example,
    kind_of,
    number,
    refuse,
    require,
    same,
    tell,
)
from tinygrad_lora.view.words.grammar import are

HINTS = (
    "Start with the numbers that go in: are all of them finite? Then look at what comes out of the first layer. "
    "Then at the loss: without any idea it should be about 2.3, and it must be able to reach 0.",
    "Some pixels are the same in all images. A bias of -20 keeps every unit at 0. cross_entropy takes logits. And "
    "backward() adds to what is there.",
    "`np.where(spread > 0, spread, 1.0)`; leave the bias alone; `tl.cross_entropy(logits, labels)`; "
    "`optimizer.zero_gradients()` first.",
)
ABOUT = (
    "Each mistake had a sign of its own: a division by a spread of 0 gives NaN, units that never fire have no "
    "gradient, a softmax of a softmax keeps the loss high, and gradients that are not zeroed pile up. Instruments "
    "show such signs sooner than reading does."
)
NEXT = "Plant a fifth mistake, give the code to somebody else, and note which picture led them to it."
exercise = Exercise(
    "08-rescue",
    __doc__,
    kind="T",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    slow=True,
    limit=30.0,
    changes={"step": ["model", "optimizer"]},
)
LEAST, EPOCHS, BATCH, RATE = 0.95, 8, 32, 0.003


@exercise.reference
def prepare(images, like):
    """The images with each pixel shifted and scaled, as measured on the images `like`."""
    spread = like.std(axis=0)
    return (images - like.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


@exercise.reference
def build(seed):
    """A network for the digits."""
    return tl.Sequential(tl.Linear(64, 32, seed=seed), tl.relu, tl.Linear(32, 10, seed=seed + 1))


@exercise.reference
def measure(logits, labels):
    """The loss."""
    return tl.cross_entropy(logits, labels)


@exercise.reference
def step(model, loss, optimizer, x, target):
    """One step of training; the loss before it."""
    optimizer.zero_gradients()
    value = loss(model(x), target)
    value.backward()
    optimizer.step()
    return float(value)


@exercise.another("prepare")
def prepare_by_hand(images, like):
    """Only the pixels that vary are scaled; the others become 0, as there is nothing to learn from them."""
    varies = like.std(axis=0) > 0
    scaled = np.zeros(images.shape)
    scaled[:, varies] = (images[:, varies] - like[:, varies].mean(axis=0)) / like[:, varies].std(axis=0)
    return scaled


@exercise.another("measure")
def measure_by_hand(logits, labels):
    """The formula itself: minus the logarithm of the label's probability, picked by rows of the unit matrix."""
    labelled = tl.log_softmax(logits) * np.eye(logits.shape[1])[labels]
    return -tl.mean(tl.sum(labelled, 1))


@exercise.starter("not-finite", name="prepare")
def prepare_without_looking(images, like):
    """The images with each pixel shifted and scaled, as measured on the images `like`."""
    spread = like.std(axis=0)
    return (images - like.mean(axis=0)) / spread


@exercise.starter("dead-units", name="build")
def build_a_quiet_one(seed):
    """A network for the digits."""
    model = tl.Sequential(tl.Linear(64, 32, seed=seed), tl.relu, tl.Linear(32, 10, seed=seed + 1))
    model[0].bias.value = np.full(32, -20.0)  # all is quiet at the start
    return model


@exercise.mutant("softmax-twice", name="measure")
@exercise.starter("softmax-twice", name="measure")
def measure_probabilities(logits, labels):
    """The loss."""
    probabilities = tl.softmax(logits)
    return tl.cross_entropy(probabilities, labels)


@exercise.starter("not-zeroed", name="step")
def step_without_forgetting(model, loss, optimizer, x, target):
    """One step of training; the loss before it."""
    value = loss(model(x), target)
    value.backward()
    optimizer.step()
    return float(value)


ready, network = prepare, build


@exercise.check(points=1)
def test_the_images_are_prepared(prepare):
    data = digits()
    specks = data.x_test + 1 / 16  # a little ink where there never was any
    with np.errstate(all="ignore"):
        x = as_array(prepare(data.x_train, data.x_train), "what prepare gave", data.x_train.shape)
        unseen = as_array(prepare(specks, data.x_train), "what prepare gave", specks.shape)
    pixels = int((~np.isfinite(x)).any(axis=0).sum())
    sentence = f"{pixels} of 64 pixels {are(pixels)} not finite: what is the same in all images has the spread 0"
    require(not pixels and bool(np.isfinite(unseen).all()), "not-finite", sentence)
    sentence = f"a little ink where no image had any becomes {number(float(np.abs(unseen).max()))}: that pixel, whose "
    sentence += "spread is 0, was divided by almost nothing; divide it by 1"
    require(float(np.abs(unseen).max()) < 10_000, "tiny-divisor", sentence)
    varies = data.x_train.std(axis=0) > 0
    means, spread = x[:, varies].mean(axis=0), x[:, varies].std(axis=0)
    mean = float(means[np.abs(means).argmax()])
    sentence = (
        f"in the images that prepare gave, the mean of one pixel is {number(mean)}; it should be 0 for each pixel"
    )
    require(abs(mean) < 0.01, "mean-not-zero", sentence)
    sentence = f"the pixels have spreads from {spread.min():.3g} to {spread.max():.3g}; each should be 1"
    require(bool((np.abs(spread - 1) < 0.05).all()), "spread-not-one", sentence)
    with np.errstate(all="ignore"):
        moved = not same(as_array(prepare(specks + 1.0, data.x_train), "what prepare gave"), unseen)
    sentence = "the same image becomes another one beside other images: mean and spread must both be those of `like`"
    require(moved, "measured-elsewhere", sentence)


@exercise.check(points=1)
def test_the_network_is_ready_to_learn(build, seed):
    data = digits()
    model = _model(build, seed)
    first, again, other = (_model(build, s).get_parameters() for s in (seed, seed, seed + 1))
    require(same(first, again), "not-repeatable", "two networks with the same seed start with different numbers")
    require(not same(first, other), "seed-ignored", "two networks with different seeds start alike: use the seed")
    hidden = []
    x = tl.constant(ready(data.x_train[:300], data.x_train))
    for member in model:
        x = member(x)
        hidden.append(x.value)
    dead = [(h == 0).all(axis=0).sum() for h in hidden]
    sentence = f"{max(dead)} of the units are 0 for all of 300 images: nothing flows back through them, so they stay so"
    require(max(dead) <= 8, "dead-units", sentence)
    require(all(p.requires_gradient for p in model.parameters()), "frozen", "some parameter is frozen")


def _model(build, seed):
    """The student's network, checked."""
    model = build(seed)
    if not isinstance(model, tl.Sequential):
        raise refuse("wrong-type", f"build gave {kind_of(model)}; a Sequential of layers is needed")
    shape = model.forward(np.zeros((2, 64))).shape
    require(shape == (2, 10), "wrong-shape", f"for 2 images the network gives {shape}; it must be (2, 10)")
    weights = [p.shape for p in model.parameters() if len(p.shape) > 1]
    yours = f"your network has weights of the shapes {' and '.join(map(str, weights))}"
    require(weights == [(64, 32), (32, 10)], "other-network", f"{yours}; it must have 64, 32 and 10 units, as it had")
    return model


@exercise.check(points=1)
def test_the_loss_is_the_cross_entropy(measure, seed):
    rng = np.random.default_rng(seed)
    for scale in (1.0, 8.0):
        logits, labels = scale * rng.normal(size=(4, 10)), rng.integers(0, 10, 4)
        answer, expected = [], []
        for function, into in ((measure, answer), (tl.cross_entropy, expected), (measure_probabilities, twice := [])):
            leaf = tl.parameter(logits)
            loss = function(leaf, labels)
            if not isinstance(loss, tl.ComputationNode):
                raise refuse("wrong-type", f"measure gave {kind_of(loss)}; the loss must be a node")
            loss.backward()
            into += [np.asarray(loss.value), np.asarray(leaf.gradient)]
        value = f"your loss is {number(float(answer[0]))}; it should be {number(float(expected[0]))}"
        shown = example(answer[0], expected[0], logits=logits, labels=labels)
        sentence = f"{value}: cross_entropy takes logits, and has a softmax of its own; after two the loss stays above "
        sentence += "1.4"
        require(not same(as_array(answer[0]), as_array(twice[0])), "softmax-twice", sentence, example=shown)
        require(same(as_array(answer[0]), as_array(expected[0])), "wrong-loss", value, example=shown)
        slope = "the loss is right, but the gradient that it sends to the logits is not"
        require(all_same(answer, expected), "wrong-loss", slope, example=example(answer[1], expected[1]))


@exercise.check(points=1)
def test_the_step_is_right(step, seed):
    tell(diagnose_step(step, seed=seed))


@exercise.check(points=4)
def test_at_least_95_percent_of_the_digits(prepare, build, measure, step, seed):
    data = digits()
    right, losses = 0.0, [np.nan]
    with np.errstate(all="ignore"):
        x, unseen = prepare(data.x_train, data.x_train), prepare(data.x_test, data.x_train)
        if np.isfinite(x).all() and np.isfinite(unseen).all():
            try:
                right, losses = _trained(_model(build, seed), measure, step, x, unseen, data, seed)
            except GradientError:
                tell(diagnose_step(step, seed=seed))
                raise
    sentence = f"{right:.0%} of the digits are right; the loss went from {losses[0]:.3g} to {losses[-1]:.3g}"
    code = "below-threshold" if np.isfinite(losses[-1]) else "not-finite"
    tell(None if right >= LEAST else Diagnosis(code, f"{sentence}; there is a mistake left"))


def _trained(model, measure, step, x, unseen, data, seed):
    rng, losses = np.random.default_rng(seed), []
    optimizer = tl.Adam(model.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for i in range(0, len(order), BATCH):
            rows = order[i : i + BATCH]
            losses.append(float(step(model, measure, optimizer, tl.constant(x[rows]), data.y_train[rows])))
            if not np.isfinite(losses[-1]):
                return 0.0, losses
    return float((model.forward(unseen).argmax(axis=1) == data.y_test).mean()), losses
