"""The library that multiplies NumPy's matrices: which it is, and the variables that set how many threads it has."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

# Of every library that NumPy may be built with, of OpenMP, and of Numba and NumExpr.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
# What OpenBLAS calls the functions that set its threads and name its kernel, as NumPy's wheels and others build it.
SETTERS = "scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_", "openblas_set_num_threads"
KERNEL_NAMES = "scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"


def blas() -> str:
    """Its name and version, with the kernel that it chose for this processor where it tells."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    built = config.get("Build Dependencies", {}).get("blas", {})
    return ", ".join([f"{built.get('name', 'unknown')} {built.get('version', '')}".strip(), *_kernel()])


def threads(count: int) -> dict[str, str]:
    """The variables with which a process gets so many threads, whatever the library is."""
    return dict.fromkeys(THREAD_VARIABLES, str(count))


def one_thread() -> None:
    """From now on one thread multiplies matrices, in this process and in those it starts.

    A product of small matrices takes microseconds. Several threads would wait for each other, on a busy machine for
    milliseconds each time. Where a variable already sets a number of threads, nothing is changed.
    """
    if not any(name in os.environ for name in THREAD_VARIABLES):
        os.environ |= threads(1)
        if "numpy" in sys.modules:  # which has read the variables
            for set_threads in _functions(*SETTERS):
                set_threads(1)


def _kernel() -> list[str]:
    """What OpenBLAS says; nothing for another library, and where the system finds no function by its name."""
    for ask in _functions(*KERNEL_NAMES):
        from ctypes import c_char_p

        ask.restype = c_char_p
        return [f"kernel {ask().decode()}"]
    return []


def _functions(*names: str) -> Iterator[Any]:
    """The functions of NumPy's BLAS with these names, where there are any."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # not everywhere, as in a browser

        import numpy as np

        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
        yield from filter(None, (getattr(library, name, None) for name in names))
