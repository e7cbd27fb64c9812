"""What is asked of a compiled function: the numbers of its eager graph in every call, in memory of its own.

It needs the package alone: the file of a fault begins with it.
"""

import warnings
from itertools import combinations

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.compiler.checks.agreement import disagreement
from tinygrad_lora.compiler.pipeline import DEFAULT

GARBAGE = 77  # what is written into arrays after a call


def fault_of(f, compiled, calls, *, exact=False, poison=False, disturb=False, before=None):
    """A sentence that says what is wrong first, or None.

    `calls` lists the arrays of each call; `before(number)` runs before each. `exact`: every bit counts, else rounding
    is an excuse. `poison`: the planned memory is filled with NaN before each call. `disturb`: after each call its
    arrays are written to, and the results of the call before.
    """
    kept = []  # the results of the call before, and copies of them
    for number, arrays in enumerate(calls):
        if before:
            before(number)
        where = f" in call {number + 1}" if number else ""
        untouched = [x.copy() for x in arrays]
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")
            eager = [np.array(y.value) for y in listed(f(*map(tl.constant, untouched)))]
            try:
                if poison:
                    fill_memory(compiled.prepare(*arrays))
                results = listed(compiled(*arrays))
            except Warning as warning:
                return f"a warning{where}: {type(warning).__name__}: {warning}"
            except Exception as error:
                return f"an error{where}: {type(error).__name__}: {error}"
            wrong = differing(f, arrays, results, eager, exact) or sharing(arrays, results, compiled)
        if wrong:
            return wrong + where
        if not all(map(same_bytes, arrays, untouched)):
            return f"an argument was written to{where}"
        if disturb:
            copies = [np.array(y) for y in results]
            for array in arrays:
                fill(array)
            if not all(map(same_bytes, results, copies)):
                return f"a result changed when an argument did{where}"
        if not all(same_bytes(y, copy) for y, copy in kept):
            return f"a result changed in the call after it{where}"
        for y, _ in kept if disturb else ():
            fill(y)
        kept = [(y, np.array(y)) for y in results]
    return None


def listed(results):
    """The outputs as a list."""
    return list(results) if isinstance(results, (tuple, list)) else [results]


def differing(f, arrays, results, eager, exact):
    """How the results differ from the eager ones, if they do."""
    if len(results) != len(eager):
        return f"different: {len(results)} outputs for {len(eager)}"
    if not exact:
        return (wrong := disagreement(tl.trace(f, *arrays), arrays, results, expected=eager)) and f"different: {wrong}"
    for i, (y, e) in enumerate(zip(results, eager, strict=True)):
        if (y.shape, y.dtype) != (e.shape, e.dtype):
            return f"different: output {i} is {y.dtype}{list(y.shape)}, and eagerly {e.dtype}{list(e.shape)}"
        if not np.array_equal(y, e, equal_nan=e.dtype.kind == "f"):
            return f"different: output {i} is {np.asarray(y).tolist()}, and eagerly {e.tolist()}"
    return None


def sharing(arrays, results, compiled):
    """Which memory a result shares, if it does."""
    outputs = [y for y in results if isinstance(y, np.ndarray) and y.size]
    if any(np.may_share_memory(y, z) for y, z in combinations(outputs, 2)):
        return "shared: two results are in the same memory"
    if any(np.may_share_memory(y, x) for y in outputs for x in arrays):
        return "shared: a result is in the memory of an argument"
    if any(np.may_share_memory(y, p._value) for y in outputs for p in compiled.program.captured):
        return "shared: a result is in the memory of a parameter"
    if any(np.may_share_memory(y, memory) for y in outputs for memory in memories(compiled)):
        return "shared: a result is in the memory of the program"
    return None if all(y.flags.writeable for y in outputs) else "shared: a result is read-only"


def same_bytes(x, y):
    """Whether two arrays are equal to the last bit."""
    return np.asarray(x).tobytes() == np.asarray(y).tobytes()


def memories(compiled):
    """The planned memory of a compiled function."""
    program = compiled.program
    return [f.__globals__["memory"] for f in program._idle if program.planned and "memory" in f.__globals__]


def fill_memory(compiled):
    """Fill the planned memory with bytes that are NaN as floats."""
    for memory in memories(compiled):
        memory[...] = 255


def fill(array):
    """Write into an array, if it may be written to."""
    if isinstance(array, np.ndarray) and array.flags.writeable:
        array[...] = GARBAGE if array.dtype.kind != "b" else ~array


def filled(layer, seed):
    """The layer with random parameters."""
    rng = np.random.default_rng(seed)
    for p in layer.parameters():
        p.value = rng.uniform(-0.5, 0.5, p.shape).astype(p.dtype)
    return layer


def turned(parameters):
    """Give parameters other values: their own, backwards."""
    for p in parameters:
        p.value = np.flip(p.value).copy()


# --- How a function is compiled, and how its arrays lie ---


def named(rows):
    """The passes with these names."""
    known = {p.__name__: p for row in DEFAULT for p in row}
    return tuple(tuple(known[name] for name in row) for row in rows)


def laid_out(arrays, layouts):
    """The arrays as copies that lie in memory in these ways. "shared" and "windows" change numbers as well."""
    made = []
    for array, layout in zip(arrays, layouts, strict=True):
        alike = [x for x in made if (x.shape, x.dtype) == (array.shape, array.dtype) and x.dtype.kind == "f"]
        made.append(alike[0][...] if layout == "shared" and alike else LAYOUTS[layout](array))
    return tuple(made)


def fortran(x):
    return np.array(x, order="F")


def strided(x):
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy()


def backwards(x):
    return np.flip(np.flip(x).copy())


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def unaligned(x):
    return np.ndarray(x.shape, x.dtype, bytearray(1) + bytearray(x.tobytes()), 1)


def windows(x):
    """Windows on one vector, each shifted by one element."""
    return np.lib.stride_tricks.as_strided(np.array(x, order="C"), x.shape, (x.itemsize,) * x.ndim, writeable=False)


def repeated(x):
    return np.broadcast_to(x.reshape(-1)[:1].copy(), x.shape) if x.size and x.ndim else x.copy()


LAYOUTS = {
    "plain": np.array,
    "fortran": fortran,
    "strided": strided,
    "backwards": backwards,
    "read_only": read_only,
    "unaligned": unaligned,
    "windows": windows,
    "repeated": repeated,
    "shared": np.array,
}
