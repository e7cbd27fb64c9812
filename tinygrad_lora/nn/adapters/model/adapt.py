"""Give a model adapters: choose its layers by name, and put an adapted layer where each was."""

from collections.abc import Collection, Mapping
from typing import Any

from ...layer import Model
from ...linear import Seed
from ..adapter import Adapter
from .plan import attach, plan_adapters
from .settings import AdapterSettings
from .targets import Numbers, Targets


def adapt(
    model: Model, rank: int, target_modules: Targets = "all-linear", *, name: str = "lora", alpha: float | None = -1,
    variant: str | type[Adapter] = "lora", init: str = "gaussian", seed: Seed = None,
    exclude_modules: Targets | None = None, rank_pattern: Mapping[str, int] | None = None,
    alpha_pattern: Mapping[str, float] | None = None, layers_to_transform: Numbers = None,
    layers_pattern: Targets | None = None, modules_to_save: Collection[str] | None = None,
    bias: str = "none", lora_bias: bool = False, rslora: bool = False, **options: Any,
) -> Model:  # fmt: skip
    r"""$x W + b$ becomes $x W + b + s\,(x A) B$ in the chosen layers of `model`, in place; only adapters are trained.

    Adapting once more under another name gives the layers a second adapter, and activates it. A layer that is used in
    two places gets one adapter. Layers are chosen by dotted name, as the PEFT library does.

    model: a layer that holds linear layers or embeddings
    rank: r, from 1 to the smaller size of each chosen weight
    target_modules: which layers: a string is a regular expression for the full name, a list holds full names or their
        last parts ("q_proj" fits "blocks.0.q_proj"), "all-linear" means every linear layer
    name: that of the adapter, a word such as "french"
    alpha: $\alpha$ in $s = \alpha / r$, a positive number; -1 or None stands for the rank
    variant: a relative of LoRA, such as "dora" (`tinygrad_lora.nn.adapters.variants.VARIANTS` has all), or a class
    init: "gaussian" or "kaiming_uniform" for A, or "pissa" or "olora", which are variants too
    seed: a whole number or a Generator; each adapter draws its numbers from a stream of its own. None draws new ones
        every time
    exclude_modules: which layers not, read as `target_modules` is; it wins
    rank_pattern, alpha_pattern: other values for some layers, a dict: its keys are regular expressions for the name or
        its last parts, and the first that fits counts
    layers_to_transform: takes a list's layers only where the first number in the name is this one, or one of these
    layers_pattern: a word of the name, or several: the number is that which stands after it
    modules_to_save: names of layers that are trained as a whole, each in a copy that comes and goes with the adapter
    bias: "all" trains the biases of the model as well, "lora_only" those of the chosen layers, "none" no bias. There is
        one of each, so switching the adapter off does not bring them back
    lora_bias, rslora: as in `LoRALayer`
    **options: those of the variant
    Returns the model.
    Raises AdaptError, which lists the names, if nothing is chosen, if a word chooses nothing, or if a layer has an
    adapter of this name already, or is of a class that computes more than its weight says; ValueError if a rank does
    not fit, TypeError for an option that the variant does not have. Then nothing is changed.
    Source: Hu et al. 2021 (arXiv:2106.09685); for the choice of layers, the PEFT library.

    >>> model = tl.Sequential(tl.Linear(8, 4, seed=0), tl.relu, tl.Linear(4, 2, seed=1))
    >>> model = tl.adapt(model, rank=2, target_modules=["0"], alpha=4.0, seed=2)
    >>> print(tl.parameter_tree(model))
    name          kind        shape   parameters  state
    model         Sequential                  70  24 trainable
      0           LoRALinear                  60  24 trainable
        base      Linear                      36  frozen
          weight  parameter   (8, 4)          32  frozen
          bias    parameter   (4,)             4  frozen
        lora      LoRALayer                   24  trainable
          lora_A  parameter   (8, 2)          16  trainable
          lora_B  parameter   (2, 4)           8  trainable
      2           Linear                      10  frozen
        weight    parameter   (4, 2)           8  frozen
        bias      parameter   (2,)             2  frozen
    70 parameters, 24 trainable (34.3%), 560 bytes of float64
    >>> tl.adapt(model, rank=2, target_modules=["q_proj"], name="french")
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.AdaptError: target_modules 'q_proj' fit no linear layer; the linear layers are ...
    """
    settings = AdapterSettings(
        rank=rank, target_modules=target_modules, alpha=alpha, exclude_modules=exclude_modules,
        rank_pattern=rank_pattern or {}, alpha_pattern=alpha_pattern or {}, layers_to_transform=layers_to_transform,
        layers_pattern=layers_pattern, rslora=rslora, bias=bias, lora_bias=lora_bias, modules_to_save=modules_to_save,
        init=init, variant=variant, options=options,
    )  # fmt: skip
    attach(model, plan_adapters(model, settings, name=name, seed=seed))
    return model
