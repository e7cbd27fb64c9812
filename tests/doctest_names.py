"""The names that examples in docstrings begin with. A plugin: pyproject.toml loads it, wherever pytest is started."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _names_of_examples(
    request: pytest.FixtureRequest, doctest_namespace: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`np` and `tl`; and what examples check is not remembered as the progress of whoever runs the tests."""
    if isinstance(request.node, pytest.DoctestItem) and request.node.path.suffix == ".py":
        import numpy as np

        import tinygrad_lora as tl

        progress: Path = tmp_path_factory.mktemp("examples") / "progress.jsonl"
        request.getfixturevalue("monkeypatch").setenv("TINYGRAD_LORA_PROGRESS", str(progress))
        doctest_namespace.update(np=np, tl=tl)
