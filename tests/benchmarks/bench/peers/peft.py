"""PyTorch with transformers and PEFT, for `bench finetune`: the same network, made from our weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .torch import library

ADAPTER = "default"  # what PEFT calls a model's first adapter


def training_step(network: Any, settings: Any, tokens: Any, wanted: Any) -> Callable[[], float]:
    """A training step of PEFT's copy of our adapted Llama. It gives the loss, and trains with a fused AdamW.

    `wanted` (n, 4) is what `Chatting.batch` gives; the head is computed for these rows alone.
    """
    import peft
    import transformers

    torch = library()
    c = network.config
    config = transformers.LlamaConfig(
        vocab_size=c.vocab_size, hidden_size=c.hidden_size, intermediate_size=c.intermediate_size,
        num_hidden_layers=c.num_hidden_layers, num_attention_heads=c.num_attention_heads,
        num_key_value_heads=c.num_key_value_heads, head_dim=c.head_dim, rms_norm_eps=c.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": c.rope_theta}, attention_dropout=0.0,
        max_position_embeddings=c.max_position_embeddings, tie_word_embeddings=True,
    )  # fmt: skip
    lora = peft.LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=list(settings.targets))
    theirs = peft.get_peft_model(transformers.LlamaForCausalLM(config), lora)
    _copy(network, dict(theirs.named_parameters()), torch)
    trained = [p for p in theirs.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.lr, weight_decay=0.0, fused=True)
    base = theirs.base_model.model
    x, (samples, places, targets) = torch.from_numpy(tokens), torch.from_numpy(wanted[:, :3]).T

    def step() -> float:
        optimizer.zero_grad()
        hidden = base.model(input_ids=x, use_cache=False).last_hidden_state
        loss = torch.nn.functional.cross_entropy(base.lm_head(hidden[samples, places]), targets)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def _copy(network: Any, theirs: dict[str, Any], torch: Any) -> None:
    """Our numbers under PEFT's names: a matrix of a linear layer lies the other way there."""
    with torch.no_grad():
        for name, p in network.named_parameters().items():
            layer, _, part = name.rpartition(".")
            if part in ("lora_A", "lora_B"):
                key = f"{layer.removesuffix('.lora')}.{part}.{ADAPTER}.weight"
            else:
                key = name.replace(".base.", ".base_layer.")
            target = theirs[f"base_model.model.{key}"]
            linear = p.ndim == 2 and "embed_tokens" not in name
            target.copy_(torch.from_numpy(np.array(p.value.T if linear else p.value)))


def adapted(model: Any, names: Sequence[str]) -> Any:
    """PEFT's copy of our adapted layers, with the adapters of these names; the first is active."""
    import peft

    torch = library()
    layers = [part for part in model if hasattr(part, "adapters")]
    sizes = [layer.weight.shape for layer in layers]
    parts = [part for n, m in sizes for part in (torch.nn.Linear(n, m), torch.nn.GELU("tanh"))]
    theirs: Any = torch.nn.Sequential(*parts)
    targets = [str(2 * i) for i in range(len(layers))]
    for name in names:
        rank = layers[0].adapters[name].rank
        config = peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=targets)
        if name == names[0]:
            theirs = peft.get_peft_model(theirs, config, adapter_name=name)
        else:
            theirs.add_adapter(name, config)
    parameters = dict(theirs.named_parameters())
    for target, layer in zip(targets, layers, strict=True):
        path = f"base_model.model.{target}"
        pairs = {f"{path}.base_layer.weight": layer.weight.value.T, f"{path}.base_layer.bias": layer.bias.value}
        for name in names:
            own = layer.adapters[name]
            pairs[f"{path}.lora_A.{name}.weight"] = own.lora_A.value.T
            pairs[f"{path}.lora_B.{name}.weight"] = own.lora_B.value.T
        for key, array in pairs.items():
            parameters[key].data.copy_(torch.tensor(array))
    return theirs.eval()


def batch(theirs: Any, x: Any, names: Sequence[str] | None) -> Callable[[], Any]:
    """A batch through PEFT's model: each sample through the adapter of its name, or all through the active one."""
    torch = library()
    inputs = torch.from_numpy(x)
    options = {} if names is None else {"adapter_names": list(names)}

    def run() -> Any:
        with torch.inference_mode():
            return theirs(inputs, **options).numpy()

    return run
