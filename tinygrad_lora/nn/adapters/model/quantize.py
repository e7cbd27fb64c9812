"""The linear layers of a model in four bits, before anything is adapted."""

from ....errors import AdaptError
from ...layer import Model
from ...linear import Linear
from ..adapted import listed
from ..quantized import QuantizedLinear
from .surgery import replace_layers
from .targets import Targets, chosen_layers


def quantize(model: Model, target_modules: Targets = "all-linear", *, exclude_modules: Targets | None = None) -> Model:
    """Replace linear layers of a model, in place, by ones with a weight of four bits.

    What has an adapter already stays as it is.

    model: a layer that holds linear layers
    target_modules, exclude_modules: which layers, as in `tl.adapt`
    Returns the model.
    Raises AdaptError, which lists the names, if nothing is chosen, ValueError for a weight that is not finite; then
    nothing is changed.

    >>> model = tl.nn.quantize(tl.Sequential(tl.Linear(64, 64, seed=0)))
    >>> model[0]
    QuantizedLinear(64 x 64 weights in 2120 bytes)
    """
    model.before_change()
    chosen = chosen_layers(model, target_modules, exclude_modules)
    plain = {name: x for name, x in chosen.items() if type(x) is Linear and name}
    if not plain:
        raise AdaptError(f"no plain Linear is among {listed(chosen)}; for one layer: QuantizedLinear.from_linear")
    replace_layers(model, {id(x): QuantizedLinear.from_linear(x) for x in plain.values()})
    return model
