"""The errors of what is built on the engine: compiler, layers, files, pictures, models and course."""

from typing import Any

from . import _NodeError

__name__ = __package__  # where users find these classes: tracebacks say so


class CompileError(RuntimeError):
    """The compiler was asked for something that it cannot do or has not done yet.

    Wrong:  `tl.compile(f).source`
    Right:  `g = tl.compile(f); g(x); g.source`

    A program is generated for the shapes of the first call.
    """


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


class SweepError(ValueError):
    """A sweep asks for runs that there cannot be, or that cannot be trained side by side; nothing was trained.

    Wrong:  `tl.sweep(model, loss, data, rank=[4, 400])` for a layer of 64 inputs
    Right:  `tl.sweep(model, loss, data, rank=[4, 16])`

    Everything is checked before the first step. The message names the setting, and what there is instead.
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


class CounterexampleError(_NodeError, ValueError):
    """A pass changes what a graph computes, or is no function of graphs.

    Wrong:  a pass that turns `tl.relu(a + b)` into `tl.relu(a) + tl.relu(b)`
    Right:  a pass whose law holds for all numbers, shapes and dtypes that it is applied to

    `counterexample` holds the smallest program on which this shows, both results, and the graph before and after; in a
    notebook they are drawn. Narrow the pattern: ask for shapes, dtypes and numbers of uses before you replace.
    """

    counterexample: Any

    def __init__(self, counterexample: Any = "") -> None:
        super().__init__(str(counterexample), counterexample=counterexample)
