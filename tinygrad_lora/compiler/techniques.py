"""What the compiler does to be fast, each with a name: `compile(f, without=("row_blocks",))` leaves one out."""

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import CompileError
from .pipeline import FOR_CALLS, IN_PLANNED_MEMORY, PASSES, name_of
from .report import first_line

# How the improved graph is turned into calls. The passes, which improve the graph itself, are listed in pipeline.py.
LOWERINGS = {
    "pack_weights": "what depends on frozen weights alone is computed once and kept, their transposes too",
    "reuse_memory": "an array takes the place of one that nobody reads any more",
    "in_place": "an elementwise result is written over an operand that nobody reads any more",
    "parts_in_place": "arrays that are only joined to a longer vector are made right there",
    "update_in_place": "what replaces an argument, such as a parameter, is written right over it",
    "ready_views": "views of planned arrays are made once, not in each call",
    "ready_numbers": "numbers are kept as arrays of the right dtype, which NumPy need not convert in each call",
    "small_dot": "small products use `a.dot(b, out)`, which starts faster than `np.matmul`",
    "largest_by_index": "the largest of each row is taken from its place, which NumPy finds in a quarter of the time",
    "row_blocks": "products with a thin matrix run as a batch of blocks that fit OpenBLAS' kernel for small matrices",
    "cache_blocks": "chains of elementwise operations on large arrays run block by block, each while in the cache",
}

Passes = Sequence[Any]


# The law of each, for explanations.
LAWS = {name: first_line(apply) for name, apply in PASSES.items()} | LOWERINGS
# Those that have a name of their own: what takes the place of a pass in planned memory goes by the name of that pass.
TECHNIQUES = {name: law for name, law in LAWS.items() if PASSES.get(name) not in IN_PLANNED_MEMORY.values()}
LAWS["recompute"] = "what would wait long for a reader is computed again just before it"  # only with `memory`
ENGINES = ("numpy", "numba", "auto")


def check_engine(name: str) -> str:
    """The name of an engine, or a CompileError that lists them."""
    if name not in ENGINES:
        raise CompileError(f"there is no engine called {name!r}; there are {', '.join(ENGINES)}")
    return name


def check_memory(most: int | None, buffers: bool) -> int | None:
    """A number of bytes, or None; or a CompileError."""
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise CompileError(f"memory is a whole number of bytes, such as memory=8_000_000, not {most!r}")
    if most is not None and not buffers:
        raise CompileError("memory= limits planned memory: compile with buffers=True and engine='numpy'")
    return most


def split(passes: Passes, without: Iterable[str], buffers: bool) -> tuple[tuple[Any, ...], frozenset[str]]:
    """The passes that are left, and the names of what is on of everything after them.

    With `buffers` the program runs in planned memory. Raises CompileError for a name that is none.
    """
    if isinstance(without, str):
        raise CompileError(f'without takes several names, so write without=("{without}",)')
    left_out = set(without)
    rows = [row if isinstance(row, tuple) else (row,) for row in passes]
    if wrong := [p for row in rows for p in row if not callable(p)]:
        raise CompileError(f"a pass is a function that takes a graph and gives one, not {wrong[0]!r}")
    known = {name_of(p) for row in rows for p in row} | set(TECHNIQUES)
    if unknown := sorted(left_out - known):
        raise CompileError(f"there is no technique called {unknown[0]!r}; there are {', '.join(sorted(known))}")
    forms = IN_PLANNED_MEMORY if buffers else {}
    kept = (tuple(forms.get(p, p) for p in row if name_of(p) not in left_out) for row in rows)
    return tuple(row for row in kept if row), frozenset(LOWERINGS).union(p.__name__ for p in FOR_CALLS) - left_out
