"""PyTorch: eager, and with forward and backward through torch.compile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..peers.torch import library
from . import model
from .model import Trainer


def trainer(weights: Mapping[str, Any], size: model.NameSize, compile: Any) -> Trainer:
    """`compile` is `torch.compile`, or a function that gives back what it gets."""
    torch = library()
    functional = torch.nn.functional
    p = {name: torch.tensor(array, requires_grad=True) for name, array in weights.items()}
    adam = torch.optim.Adam(p.values(), model.RATE, model.BETAS, model.EPS, fused=True)
    done = 0

    def norm(x: Any) -> Any:
        return functional.rms_norm(x, (size.width,), eps=model.NORM_EPS)

    def heads(x: Any) -> Any:
        return x.view(len(x), size.heads, size.width // size.heads).transpose(0, 1)

    def loss_of(p: Mapping[str, Any], inputs: Any, targets: Any) -> Any:
        x = norm(functional.embedding(inputs, p["tokens"]) + p["places"][: len(inputs)])
        h = norm(x)
        q, k, v = (heads(h @ p[name]) for name in ("queries", "keys", "values"))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + mixed.transpose(0, 1).reshape(x.shape) @ p["mixing"]
        x = x + functional.relu(norm(x) @ p["up"]) @ p["down"]
        return functional.cross_entropy(x @ p["scores"], targets)

    run = compile(loss_of)

    def step(inputs: Any, targets: Any) -> float:
        nonlocal done
        adam.param_groups[0]["lr"] = model.rate(done)
        done += 1
        adam.zero_grad()
        loss = run(p, torch.from_numpy(inputs), torch.from_numpy(targets))
        loss.backward()
        adam.step()
        return float(loss.item())

    return Trainer(step, lambda: {name: tensor.detach().numpy().copy() for name, tensor in p.items()})
