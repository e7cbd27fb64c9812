"""Give a model adapters: choose its layers by name, and put an adapted layer where each was."""

from __future__ import annotations

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

    `target_modules` chooses linear layers and embeddings by dotted name, as the PEFT library does: a string is a
    regular expression for the full name, a list holds full names or their last parts ("q_proj" fits
    "blocks.0.q_proj"), "all-linear" means every linear layer. `exclude_modules` is read in the same way and wins.
    `layers_to_transform` takes a list's layers only where the first number in the name is one of these; with
    `layers_pattern`, the number that stands after this word. `rank_pattern` and `alpha_pattern` give other values to
    some layers: their keys are regular expressions for the name or its last parts, and the first that fits counts.

    `name` is that of the adapter: adapting once more under another name gives the layers a second one, and activates
    it. `variant` is a relative of LoRA, such as "dora", or a class; `options` are those it has. `init` is "gaussian" or
    "kaiming_uniform" for A, or "pissa" or "olora", which are variants too. `rslora` and `lora_bias` are those of
    `LoRALayer`. `bias="all"` trains the biases of the model as well, "lora_only" those of the chosen layers: there is
    one of each, so switching the adapter off does not bring them back. `modules_to_save` are layers that are trained as
    a whole, each in a copy that comes and goes with the adapter. A layer that is used in two places gets one adapter.
    Each adapter draws its numbers from a stream of its own, and all come from the one `seed`.

    Returns the model. Raises AdaptError, which lists the names, if nothing is chosen, if a word chooses nothing, or if
    a layer has an adapter of this name already, or is of a class that computes more than its weight says; ValueError if
    a rank does not fit, TypeError for an option that the variant does not have. Then nothing is changed.
    Source: Hu et al. 2021 (arXiv:2106.09685); for the choice of layers, the PEFT library.
    """
    settings = AdapterSettings(
        rank=rank, target_modules=target_modules, alpha=alpha, exclude_modules=exclude_modules,
        rank_pattern=rank_pattern or {}, alpha_pattern=alpha_pattern or {}, layers_to_transform=layers_to_transform,
        layers_pattern=layers_pattern, rslora=rslora, bias=bias, lora_bias=lora_bias, modules_to_save=modules_to_save,
        init=init, variant=variant, options=options,
    )  # fmt: skip
    attach(model, plan_adapters(model, settings, name=name, seed=seed))
    return model
