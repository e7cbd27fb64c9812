"""How each operation is written in mathematics, as text and as LaTeX, with brackets only where they are needed."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...core import ComputationNode as Node
from ..words.sentences import number_text, one_line, parameter_text

# Levels of precedence, the loosest first: what is looser than its surroundings gets brackets.
COMPARISON, NEGATIVE, SUM, TOTAL, PRODUCT, MATRIX, POWER, ATOM = range(8)
INDICES = "ijklmnpq"  # letters for the axes of a sum
GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "pi", "rho",
    "sigma", "tau", "phi", "chi", "psi", "omega",
}  # fmt: skip
ESCAPES = {
    "\\": r"\backslash ", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"{\wedge}", "~": r"{\sim}", "<": r"{\lt}", ">": r"{\gt}", " ": r"\ ", '"': "{''}", "`": "{'}",
}  # fmt: skip


class Fragment(NamedTuple):
    """A part of a formula, and its level of precedence."""

    text: str
    level: int


def escaped(text: str) -> str:
    """The text for use inside `\\mathrm{...}`: no part of it acts as a command."""
    return "".join(ESCAPES.get(c, c) for c in one_line(text))


def symbol(name: str) -> str:
    """A name in LaTeX: W1 is $W_{1}$, alpha is $\\alpha$, dL/dB is $\\frac{\\partial L}{\\partial B}$."""
    name = one_line(name)
    if match := re.fullmatch(r"d(\w+)/d(\w+)", name):
        over, under = map(symbol, match.groups())
        return rf"\frac{{\partial {over}}}{{\partial {under}}}"
    if match := re.fullmatch(r"([A-Za-z]+?)_?(\d+)", name):
        return f"{symbol(match[1])}_{{{match[2]}}}"
    if name in GREEK:
        return f"\\{name}"
    return name if re.fullmatch("[A-Za-z]", name) else rf"\mathrm{{{escaped(name)}}}"


def inside(fragment: Fragment, level: int) -> str:
    """The fragment as text, in brackets if it is looser than this level."""
    return fragment.text if fragment.level >= level else f"({fragment.text})"


class Notation:
    """Formulas as plain text: `2 * A^T x^T G`. Matrix products stand side by side, other products have a star.

    A method `write_NAME` writes the operation of that name; others are written as calls.
    """

    times = " * "  # after a number

    def name(self, name: str) -> Fragment:
        """A variable."""
        return Fragment(one_line(name), ATOM)

    def number(self, x: Any) -> Fragment:
        """A constant."""
        text = number_text(x)
        level = NEGATIVE if text.startswith("-") else PRODUCT if "/" in text else POWER if "e" in text else ATOM
        return Fragment(text, level)

    def filled(self, x: Any, shape: tuple[int, ...]) -> Fragment:
        """An array that holds one number everywhere."""
        ones = self.ones(shape)
        return ones if x == 1 else self.number(0) if x == 0 else self.scaled(self.number(x), ones)

    def ones(self, shape: tuple[int, ...]) -> Fragment:
        """An array of ones."""
        return Fragment(f"ones({', '.join(map(str, shape))})", ATOM)

    def write(self, node: Node, operands: Sequence[Fragment]) -> Fragment:
        """The operation of `node` on operands that are already written."""
        method = getattr(self, f"write_{node.op}", None)
        return method(node, *operands) if method else self.call(str(node.op), operands, node.params)

    def call(self, name: str, operands: Sequence[Fragment], params: dict[str, Any]) -> Fragment:
        """`name(a, b, axis=0)`."""
        keywords = [f"{k}={parameter_text(v)}" for k, v in params.items()]
        return Fragment(f"{one_line(name)}({', '.join([*(x.text for x in operands), *keywords])})", ATOM)

    # --- Sums and products ---

    def write_add(self, node: Node, a: Fragment, b: Fragment) -> Fragment:
        return Fragment(f"{inside(a, NEGATIVE)} + {inside(b, SUM)}", min(a.level, SUM) if a.level else SUM)

    def write_subtract(self, node: Node, a: Fragment, b: Fragment) -> Fragment:
        return Fragment(f"{inside(a, NEGATIVE)} - {inside(b, TOTAL)}", min(a.level, SUM) if a.level else SUM)

    def write_multiply(self, node: Node, a: Fragment, b: Fragment) -> Fragment:
        left, right = node.parents
        if left.size > right.size:
            left, right, a, b = right, left, b, a
        return self.scaled(a, b) if left.shape == () else self.product(a, b)

    def write_scale(self, node: Node, x: Fragment) -> Fragment:
        factor = node.params["factor"]
        if factor in (1, -1):
            return x if factor == 1 else Fragment(f"-{inside(x, PRODUCT)}", NEGATIVE)
        return self.scaled(self.number(factor), x)

    def scaled(self, number: Fragment, x: Fragment) -> Fragment:
        """A number times something; a leading minus sign gets no brackets."""
        text = number.text if number.level == NEGATIVE else inside(number, PRODUCT)
        return Fragment(f"{text}{self.times}{inside(x, PRODUCT)}", min(number.level, PRODUCT) or PRODUCT)

    def product(self, a: Fragment, b: Fragment) -> Fragment:
        """Element by element."""
        return Fragment(f"{inside(a, PRODUCT)} * {inside(b, PRODUCT)}", PRODUCT)

    def write_divide(self, node: Node, a: Fragment, b: Fragment) -> Fragment:
        return Fragment(f"{inside(a, PRODUCT)} / {inside(b, MATRIX)}", PRODUCT)

    def write_matmul(self, node: Node, a: Fragment, b: Fragment) -> Fragment:
        return Fragment(f"{inside(a, MATRIX)} {inside(b, MATRIX)}", MATRIX)

    def write_power(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(f"{inside(x, ATOM)}^{inside(self.number(node.params['exponent']), ATOM)}", POWER)

    def write_greater(self, node: Node, a: Fragment, b: Fragment) -> Fragment:
        return Fragment(f"{inside(a, NEGATIVE)} > {inside(b, NEGATIVE)}", COMPARISON)

    # --- Shape ---

    def write_transpose(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(f"{inside(x, ATOM)}^T", POWER)

    def write_reshape(self, node: Node, x: Fragment) -> Fragment:
        """A reshape that only adds or removes axes of length 1 is not written, as on paper."""
        (operand,) = node.parents
        before, after = ([n for n in shape if n != 1] for shape in (operand.shape, node.shape))
        return x if before == after else self.call("reshape", [x], node.params)

    def write_identity(self, node: Node, x: Fragment) -> Fragment:
        return x

    write_cast = write_identity  # true and false count as 1 and 0

    def write_reduce_max(self, node: Node, x: Fragment) -> Fragment:
        """`max(x, axis=0)`; without the axes if it is over all of them."""
        axes, name = node.params["axis"], str(node.op).removeprefix("reduce_")
        return self.reduced(name, x, None if len(axes) == node.parents[0].ndim else axes)

    write_reduce_sum = write_mean = write_reduce_max

    def reduced(self, name: str, x: Fragment, axes: tuple[int, ...] | None) -> Fragment:
        """A reduction of this name, over these axes; None for all of them."""
        return self.call(name, [x], {} if axes is None else {"axis": axes if len(axes) != 1 else axes[0]})

    def write_index(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(f"{inside(x, ATOM)}[{', '.join(map(parameter_text, node.params['key']))}]", ATOM)

    def write_take(self, node: Node, x: Fragment, *indices: Fragment) -> Fragment:
        return Fragment(f"{inside(x, ATOM)}[{', '.join(i.text for i in indices)}]", ATOM)


class Latex(Notation):
    r"""Formulas as LaTeX: $2\,A^\top x^\top G$. A circle with a dot is a product element by element."""

    times = r"\,"

    def name(self, name: str) -> Fragment:
        return Fragment(symbol(name), ATOM)

    def number(self, x: Any) -> Fragment:
        text, level = super().number(x)
        if match := re.fullmatch(r"(-?)(\d+)/(\d+)", text):
            return Fragment(rf"{match[1]}\tfrac{{{match[2]}}}{{{match[3]}}}", NEGATIVE if match[1] else MATRIX)
        if match := re.fullmatch(r"(.*)e([+-]\d+)", text):
            return Fragment(rf"{match[1]} \times 10^{{{int(match[2])}}}", min(level, PRODUCT))
        return Fragment(text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}"), level)

    def ones(self, shape: tuple[int, ...]) -> Fragment:
        sizes = r" \times ".join(map(str, shape))
        return Fragment(rf"\mathbf{{1}}_{{{sizes}}}", ATOM)

    def call(self, name: str, operands: Sequence[Fragment], params: dict[str, Any]) -> Fragment:
        keywords = [rf"\mathrm{{{escaped(k)}}} = \mathrm{{{escaped(parameter_text(v))}}}" for k, v in params.items()]
        inner = ", ".join([*(x.text for x in operands), *keywords])
        return Fragment(rf"\operatorname{{{escaped(name)}}}({inner})", ATOM)

    def product(self, a: Fragment, b: Fragment) -> Fragment:
        return Fragment(rf"{inside(a, PRODUCT)} \odot {inside(b, PRODUCT)}", PRODUCT)

    def write_matmul(self, node: Node, a: Fragment, b: Fragment) -> Fragment:
        space = r"\," if r"\mathrm" in a.text + b.text else " "  # x W, but a wider space between longer names
        return Fragment(f"{inside(a, MATRIX)}{space}{inside(b, MATRIX)}", MATRIX)

    def write_divide(self, node: Node, a: Fragment, b: Fragment) -> Fragment:
        return Fragment(rf"\frac{{{a.text}}}{{{b.text}}}", POWER)

    def write_power(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(f"{inside(x, ATOM)}^{{{self.number(node.params['exponent']).text}}}", POWER)

    def write_greater(self, node: Node, a: Fragment, b: Fragment) -> Fragment:
        return Fragment(f"[{a.text} > {b.text}]", ATOM)

    def write_transpose(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(rf"{inside(x, ATOM)}^\top", POWER)

    def write_exp(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(f"e^{{{x.text}}}", POWER)

    def write_log(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(rf"\ln({x.text})", ATOM)

    def write_tanh(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(rf"\tanh({x.text})", ATOM)

    def write_sigmoid(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(rf"\sigma({x.text})", ATOM)

    def write_sqrt(self, node: Node, x: Fragment) -> Fragment:
        return Fragment(rf"\sqrt{{{x.text}}}", ATOM)

    def write_where(self, node: Node, condition: Fragment, a: Fragment, b: Fragment) -> Fragment:
        rows = rf"{a.text} & \text{{if }} {condition.text} \\ {b.text} & \text{{else}}"
        return Fragment(rf"\begin{{cases}} {rows} \end{{cases}}", ATOM)

    def write_reduce_sum(self, node: Node, x: Fragment) -> Fragment:
        r"""$\sum_i x_{ij}$: the indices of the axes that are summed stand below the sign."""
        axes, n = node.params["axis"], node.parents[0].ndim
        if n > len(INDICES):
            return self.write_reduce_max(node, x)
        under = "".join(INDICES[i] for i in axes)
        return Fragment(rf"\sum_{{{under}}} {_with_index(x, INDICES[:n]).text}", TOTAL)

    def reduced(self, name: str, x: Fragment, axes: tuple[int, ...] | None) -> Fragment:
        under = "" if axes is None else rf"_{{\mathrm{{axis}}\,{', '.join(map(str, axes))}}}"
        return Fragment(rf"\operatorname{{{name}}}{under}({x.text})", ATOM)

    def write_index(self, node: Node, x: Fragment) -> Fragment:
        key = ", ".join(map(parameter_text, node.params["key"])).replace("...", r"\dots")
        return _with_index(x, f"[{key}]")

    def write_take(self, node: Node, x: Fragment, *indices: Fragment) -> Fragment:
        return _with_index(x, ", ".join(i.text for i in indices))


def _with_index(x: Fragment, index: str) -> Fragment:
    """The elements of x at an index; a name that has one already, as $h_1$, is put into braces."""
    base = inside(x, ATOM)
    base = f"{{{base}}}" if re.fullmatch(r"\S+_\{\w+\}", base) else base
    return Fragment(f"{base}_{{{index}}}", POWER)
