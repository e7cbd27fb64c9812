"""Real data, small enough to travel with the package: handwritten digits, upright or rotated, and first names.

Train on `digits()`, adapt to `digits(rotated=1)`: the same images, a quarter turn later, are the new task that LoRA
learns in the demo and the tutorials. The source and license of the images are in `assets/digits.txt`, those of the
names at the top of `assets/names.txt`.
"""

from importlib import resources
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Digits", "digits", "names"]

INK = 16  # the largest value that a pixel has in the file


class Digits(NamedTuple):
    """The digits in two parts: one to learn from, one to be examined on. An image is a row of 64 pixels."""

    x_train: NDArray[np.floating]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.floating]
    y_test: NDArray[np.int64]


def digits(rotated: int = 0, *, test_fraction: float = 0.2, seed: int = 0, dtype: DTypeLike = np.float64) -> Digits:
    """The 1,797 images of handwritten digits, shuffled and split.

    Returns arrays `x_train` and `x_test` of shape (n, 64), with pixels from 0 (paper) to 1 (ink), and `y_train` and
    `y_test` of shape (n,), with the digit written. `rotated` turns every image by that many quarter turns, to the
    left; `seed` alone decides which image goes where, so the upright and the rotated split hold the same images.

    >>> upright, rotated = digits(), digits(rotated=1)
    >>> upright.x_train.shape, upright.x_test.shape
    ((1438, 64), (359, 64))
    >>> image = upright.x_test[0].reshape(8, 8)
    >>> bool((rotated.x_test[0].reshape(8, 8) == np.rot90(image)).all())
    True

    Note: the split is random, so one person's digits are found in both parts. The test score tells how well a model
    knows these 13 people's handwriting, not anyone's.

    Raises ValueError when an argument is not what it must be.
    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (CC BY 4.0, doi:10.24432/C50P49).
    """
    _require(_is_whole(rotated), f"rotated counts quarter turns and must be a whole number, not {rotated!r}")
    repeats = "the same seed gives the same split"
    _require(_is_whole(seed) and seed >= 0, f"seed must be a whole number, 0 or more, not {seed!r}: {repeats}")
    _require(_is_floating(dtype), f"dtype must be a floating type such as np.float32, not {dtype!r}")
    with resources.files(__package__).joinpath("assets/digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)

    n = len(images)
    is_part = isinstance(test_fraction, Real) and 0 < test_fraction < 1
    _require(is_part, f"test_fraction must lie between 0 and 1, not {test_fraction!r}")
    n_test = round(n * test_fraction)
    _require(0 < n_test < n, f"test_fraction {test_fraction!r} of {n} images leaves one part empty")

    images = np.rot90(images, k=rotated, axes=(1, 2))
    x = images.reshape(n, -1).astype(dtype) / np.asarray(INK, dtype)
    order = np.random.default_rng(seed).permutation(n)
    test, train = order[:n_test], order[n_test:]
    return Digits(x[train], labels[train], x[test], labels[test])


def names(*, seed: int = 0) -> tuple[list[str], list[str]]:
    """5,130 first names of 3 to 11 small letters, shuffled and split: 4,630 to learn from, and 500 for the test.

    >>> train, test = names()
    >>> train[:3], len(test)
    (['ashton', 'lashunda', 'rossie'], 500)

    Raises ValueError when the seed is not a whole number.
    Source: U.S. Census Bureau 1995, Frequently Occurring Names in the U.S. (in the public domain).
    """
    _require(_is_whole(seed) and seed >= 0, f"seed must be a whole number, 0 or more, not {seed!r}", "names")
    lines = resources.files(__package__).joinpath("assets/names.txt").read_text(encoding="utf-8").splitlines()
    every = [line for line in lines if line.isalpha()]
    order = [every[i] for i in np.random.default_rng(seed).permutation(len(every))]
    return order[500:], order[:500]


def _is_whole(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def _is_floating(dtype: Any) -> bool:
    try:
        return np.dtype(dtype).kind == "f"
    except TypeError:  # NumPy knows no such type
        return False


def _require(condition: bool, sentence: str, function: str = "digits") -> None:
    if not condition:
        raise ValueError(f"{function}: {sentence}")
