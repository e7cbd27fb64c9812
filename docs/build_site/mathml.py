"""Equations as MathML, made when the pages are built: every browser shows them, without a script and without a font."""

from typing import Any

from tinygrad_lora.learn.handouts.mathml import mathml


def _inline(translator: Any, node: Any) -> None:
    translator.body.append(mathml(node.astext()))
    _skip(node)


def _block(translator: Any, node: Any) -> None:
    translator.body.append(f'<div class="equation">{mathml(node.astext(), block=True)}</div>')
    _skip(node)


def _skip(node: Any) -> None:
    from docutils.nodes import SkipNode

    raise SkipNode


def setup(app: Any) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
