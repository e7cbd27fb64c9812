"""Which NumPy call multiplies two matrices fastest: `dot`, `matmul`, or `matmul` on blocks of rows."""

from collections.abc import Callable
from typing import NamedTuple

from ...core import ComputationNode as Node

MOST_FOR_DOT = 16_384  # elements of the result: below this `dot` wins by starting faster
SMALL_KERNEL = 1_000_000  # m n k up to which OpenBLAS multiplies without packing its operands first
THIN = 32  # a matrix with no more rows or columns than this is multiplied faster in blocks
FEWEST_ROWS = 8


class Blocks(NamedTuple):
    """A product in `number` blocks of the result's rows ("rows") or columns ("columns")."""

    kind: str
    number: int


def blocks(m: int, k: int, n: int) -> Blocks | None:
    """How an (m, k) by (k, n) product is cut so that each block is small enough for the kernel without packing.

    None: as it is. Packing costs more than it brings where one of the three numbers is small, as the rank of LoRA is.
    Measured on (2048, 8) @ (8, 1024) in float32: 0.37 of the time; on (1024, 2048) @ (2048, 8): 0.46.
    """
    if m * k * n <= SMALL_KERNEL or min(m, k, n) > THIN:
        return None
    rows = _largest_divisor(m, SMALL_KERNEL // (k * n))
    if rows >= FEWEST_ROWS:
        return Blocks("rows", m // rows)
    columns = _largest_divisor(n, SMALL_KERNEL // (m * k))
    return Blocks("columns", n // columns) if columns >= 2 * FEWEST_ROWS else None


def _largest_divisor(n: int, most: int) -> int:
    """The largest divisor of n that is at most `most`, among n divided by powers of two."""
    while n > most and n % 2 == 0:
        n //= 2
    return n if n <= most else 0


def cut(product: Node) -> Blocks | None:
    """The blocks of a product of two matrices of floats; None where it runs as it is."""
    a, b = product.parents
    suits = a.ndim == b.ndim == 2 and product.dtype.kind == "f" and a.dtype == b.dtype
    return blocks(a.shape[0], a.shape[1], b.shape[1]) if suits else None


def reads_rows(product: Node, blocks: Blocks) -> bool:
    """Whether a transposed right operand is better copied first: it is small, and each block reads all of it."""
    k, n = product.parents[1].shape
    return blocks.kind == "rows" and k <= THIN and k < n


Text = Callable[[str], str]


def product(node: Node, a: str, b: str, out: str | None, *, dot: bool, use: Text) -> str:
    """The call that multiplies a and b as they are; an expression where there is no `out`."""
    if dot and node.ndim == 2 and node.size <= MOST_FOR_DOT:
        return f"{a}.dot({b}, {out})" if out else f"{a}.dot({b})"
    return f"{use('np.matmul')}({a}, {b}, {out})" if out else f"{a} @ {b}"


def product_in_blocks(node: Node, cut: Blocks, a: str, b: str, out: str, *, turned_a: bool, use: Text) -> str:
    """The same as one call on a batch of blocks. All of them are views: nothing is copied."""
    (m, k), n = node.parents[0].shape, node.shape[1]
    if cut.kind == "columns":
        b = f"{b}.reshape({(k, cut.number, n // cut.number)}).transpose(1, 0, 2)"
        out = f"{out}.reshape({(m, cut.number, n // cut.number)}).transpose(1, 0, 2)"
    else:
        rows = m // cut.number
        if turned_a:
            a = f"{a.removesuffix('.mT') if a.endswith('.mT') else a + '.mT'}.reshape({(k, cut.number, rows)})"
            a += ".transpose(1, 2, 0)"
        else:
            a = f"{a}.reshape({(cut.number, rows, k)})"
        out = f"{out}.reshape({(cut.number, rows, n)})"
    return f"{use('np.matmul')}({a}, {b}, {out})"
