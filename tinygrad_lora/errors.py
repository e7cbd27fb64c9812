"""The typed refusals of the package. The docstring of a class is its help page: what happened, wrong, right, remedy."""

from __future__ import annotations

from typing import Any


class ShapeError(ValueError):
    """Two arrays do not fit together.

    Wrong:  `parameter(np.ones((2, 3))) @ parameter(np.ones((2, 3)))`
    Right:  `parameter(np.ones((2, 3))) @ parameter(np.ones((2, 3))).T`

    The columns of the first matrix must be as many as the rows of the second. The message names both operands.
    `operation` holds the operation, its operands and its parameters, if an operation refused them.
    """

    def __init__(self, message: str = "", operation: Any = None) -> None:
        super().__init__(message)
        self.operation = operation

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args  # nodes stay in the process that made them


class DtypeError(TypeError):
    """An array holds something that cannot be used here.

    Wrong:  `parameter(np.array([1, 2, 3]))`
    Right:  `parameter(np.array([1.0, 2.0, 3.0]))`

    A gradient is a real number, so a parameter must hold floats. Text and Python objects are never arrays of numbers.
    """


class TraceError(TypeError):
    """A symbolic node was asked for a value that it does not have yet.

    Wrong:  `if x > 0: y = x`  inside a traced function
    Right:  `y = tl.where(x > 0, x, 0.0)`

    While a function is traced its inputs are placeholders: shape and dtype are known, numbers are not.
    """


class GradientError(RuntimeError):
    """A gradient was asked for where there is none, or where it is not one number's.

    Wrong:  `tl.parameter(np.ones(3)).backward()`
    Right:  `tl.sum(tl.parameter(np.ones(3))).backward()`

    A gradient belongs to a scalar. For an array, say which weighted sum of it is meant: `backward(seed=...)`.
    """


class StaleGraphError(GradientError):
    """A parameter got a new value after the graph that is being differentiated was built.

    Wrong:  `loss = f(w); w.value = w.value - 0.1; loss.backward()`
    Right:  `loss = f(w); loss.backward(); w.value = w.value - 0.1`

    The old results in the graph do not belong to the new value. Build the graph again, then differentiate it.
    """


class LostGradientWarning(UserWarning):
    """Gradients are zero because the output depends on none of the nodes, one of which was turned into a number.

    Wrong:  `y = math.exp(x) * w; tl.gradients(y, x)`
    Right:  `y = tl.exp(x) * w; tl.gradients(y, x)`

    `float(x)`, `math.exp(x)` and `np.asarray(x)` give numbers, and no gradient passes a number. The message names the
    line. If the numbers were only printed, the zeros are right, and nothing needs to be done.
    """


class GraphError(ValueError):
    """A graph is not closed, or is called with the wrong inputs.

    Wrong:  `Graph([x], [x + z])` where z is another placeholder
    Right:  `Graph([x, z], [x + z])`

    Every placeholder that the outputs depend on must be listed as an input.
    """


class CompileError(RuntimeError):
    """The compiler was asked for something that it cannot do or has not done yet.

    Wrong:  `tl.compile(f).source`
    Right:  `g = tl.compile(f); g(x); g.source`

    A program is generated for the shapes of the first call.
    """


class PassError(RuntimeError):
    """A pass of the compiler gave something that cannot take the place of what it was given.

    Wrong:  `graph.rewrite(lambda node: node.parents[0] if node.op is ops.reduce_sum else None)`
    Right:  `graph.rewrite(lambda node: node.parents[0] if node.op is ops.identity else None)`

    A pass takes a graph and gives a graph with the same inputs and the same outputs, and whatever takes the place of a
    node has its shape and its dtype. The message names the pass and the node. `replaced` and `replacement` are both
    nodes, `before` is the graph that the pass was given and `after` what it made, each None where it is not known.
    """

    def __init__(
        self, message: str = "", replaced: Any = None, replacement: Any = None, before: Any = None, after: Any = None
    ) -> None:
        super().__init__(message)
        self.replaced, self.replacement, self.before, self.after = replaced, replacement, before, after

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args  # nodes stay in the process that made them


class ClosedError(RuntimeError):
    """A layer was used after `close()`.

    Wrong:  `with layer: ...` and then `layer.forward(x)`
    Right:  use the layer inside the `with` block, or build a new one.
    """


class WeightsError(ValueError):
    """Weights do not fit the layer; nothing was changed.

    Wrong:  `layer.load_weights({"lora_A": a}, strict=True)` when "lora_B" is missing
    Right:  pass every name that `layer.get_parameter_names()` lists, in the shape that it has.
    """


class MergedError(RuntimeError):
    """A layer was to be trained or given weights while its adapter is merged into the base weight.

    Wrong:  `layer.merge(); layer.backward(g)`
    Right:  `layer.merge(); layer.unmerge(); layer.forward(x); layer.backward(g)`

    While merged, the adapter is part of the base weight: new factors would have no effect. Unmerge first.
    """


class AdaptError(ValueError):
    """The layers to adapt were chosen so that there is none, or one that cannot be adapted; nothing was changed.

    Wrong:  `adapt(model, rank=4, target_modules=["q_porj"])`
    Right:  `adapt(model, rank=4, target_modules=["q_proj"])`

    A list names whole last parts of dotted names, a string is a regular expression for the full name. The message
    lists the names that there are.
    """


class FormatError(ValueError):
    """A file is damaged, or says or asks for something that this package does not do; nothing was changed.

    Wrong:  `tl.load_adapter(model, folder)` where "use_qalora" is true in adapter_config.json
    Right:  an adapter that was trained without that option, or one merged by the library that made it.

    A file may come from anywhere, so it is checked before it is used. What is not understood is refused by name, never
    skipped: an adapter without one of its options would give other numbers. The message lists all that is wrong.
    """


class ExportError(ValueError):
    """A graph cannot be written in another program's format; no file was made.

    Wrong:  `tl.save_onnx(compiled.graph, "model.onnx")`, a graph of operations that the compiler made up
    Right:  `tl.save_onnx(model, "model.onnx", x)`, the function itself

    The message names the operation and the line that made it.
    """


class RenderError(RuntimeError):
    """A picture could not be drawn.

    Wrong:  `render(graph, "graph.svg")` where no Graphviz is installed
    Right:  `pip install graphviz-pure`, or `print(draw(graph).text)` for the listing that needs no engine.
    """


class ExerciseError(ValueError):
    """There is no such exercise, bug or plug-in point, or it was given other objects than it asks for.

    Wrong:  `check("04-toppo", topo_sort)`
    Right:  `check("04-topo", topo_sort)`

    The message lists the nearest ids, or the names there are. `tinygrad-lora progress` lists all exercises.
    """


class RecompileWarning(UserWarning):
    """A compiled function was compiled again and again, because something differs from call to call.

    Wrong:  `fast = compile(lambda x, n: x * n)` and then `fast(x, i)` for i in range(100)
    Right:  `fast(x, np.float64(i))`: a number in an array is data, and the program stays the same

    Every new shape or dtype, and every new value that is no array, needs a program of its own.
    """


class MiscompiledWarning(UserWarning):
    """A generated program is wrong, and is not used; plain NumPy runs in its place.

    Wrong:  nothing that you wrote: this is a fault of the compiler, and the message shows the part that is to blame
    Right:  go on, the numbers are right, only slower; `compile(f, without=[...])` leaves the named technique out

    Every program in planned memory is looked at a second time before it runs. The first call of any new program is
    compared with its graph where that costs little; `check=True` compares always. Please report what the message says.
    """


class ModelError(ValueError):
    """A pretrained model is not on this machine, cannot be fetched, or is asked for something that it cannot do.

    Wrong:  `tl.load_minilm()` on a machine that never fetched it
    Right:  `tinygrad-lora models get minilm` in a terminal, once; then `tl.load_minilm()`

    The weights of real networks do not travel with this package. `tinygrad-lora models list` shows what there is.
    """


class ModelFileError(ModelError):
    """A file of weights is damaged, or was never one.

    Wrong:  `read_gguf("photo.png")`
    Right:  `read_gguf("model.gguf")`

    Nothing in such a file is believed before it was checked. Fetch it again: `tinygrad-lora models remove NAME`, then
    `tinygrad-lora models get NAME`.
    """


class TutorialError(ValueError):
    """There is no such tutorial, or its source cannot be made into a notebook.

    Wrong:  `tinygrad-lora learn 44`
    Right:  `tinygrad-lora learn 04`

    The message lists the tutorials there are. `tinygrad-lora learn` shows them with what you have done.
    """


class CounterexampleError(ValueError):
    """A pass changes what a graph computes, or is no function of graphs.

    Wrong:  a pass that turns `tl.relu(a + b)` into `tl.relu(a) + tl.relu(b)`
    Right:  a pass whose law holds for all numbers, shapes and dtypes that it is applied to

    `counterexample` holds the smallest program on which this shows, both results, and the graph before and after; in a
    notebook they are drawn. Narrow the pattern: ask for shapes, dtypes and numbers of uses before you replace.
    """

    def __init__(self, counterexample: Any = "") -> None:
        super().__init__(str(counterexample))
        self.counterexample = counterexample

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args  # nodes stay in the process that made them
