"""How tests hold the submissions that they grade: in the sandbox, where this machine has one."""

from functools import cache

import pytest

from tinygrad_lora.grading.grading import GradingSettings
from tinygrad_lora.grading.process.zygote import Limits, Nursery, Unprotected


@cache
def unprotected() -> str:
    """Why there is no sandbox on this machine; "" if there is one."""
    try:
        Nursery(Limits()).close()
    except Unprotected as error:
        return str(error)
    return ""


def settings(**others: object) -> GradingSettings:
    """Settings of the grader that this machine can keep."""
    return GradingSettings(**{"trusted": bool(unprotected()), **others})


def flags() -> list[str]:
    """What `tinygrad-lora grade` must be told on this machine."""
    return ["--trusted"] if unprotected() else []


def need_sandbox() -> None:
    """Skip the test where there is no sandbox."""
    if reason := unprotected():
        pytest.skip(f"no sandbox: {reason.splitlines()[0]}")
