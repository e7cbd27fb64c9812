"""The library that multiplies NumPy's matrices: which it is, and the variables that set how many threads it has."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

# Of every library that NumPy may be built with, of OpenMP, and of Numba and NumExpr.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
# What OpenBLAS calls the function that names its kernel, as NumPy's wheels and others build it.
KERNEL_NAMES = "scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"


def blas() -> str:
    """Its name and version, with the kernel that it chose for this processor where it tells."""
    config: Any = np.show_config(mode="dicts")
    built = config.get("Build Dependencies", {}).get("blas", {})
    return ", ".join([f"{built.get('name', 'unknown')} {built.get('version', '')}".strip(), *_kernel()])


def threads(count: int) -> dict[str, str]:
    """The variables with which a process gets so many threads, whatever the library is."""
    return dict.fromkeys(THREAD_VARIABLES, str(count))


def _kernel() -> list[str]:
    """What OpenBLAS says; nothing for another library, and where the system finds no function by its name."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # not everywhere, as in a browser

        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
        for ask in filter(None, (getattr(library, name, None) for name in KERNEL_NAMES)):
            ask.restype = ctypes.c_char_p
            return [f"kernel {ask().decode()}"]
    return []
