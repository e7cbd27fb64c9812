"""LoRA's relatives as the PEFT library computes them: numbers for test_variants.py, taken live or from a file.

`python tests/nn/variants_in_peft.py` writes tests/fixtures/variants.json anew. It needs torch and peft.
"""

import json
from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).parents[1] / "fixtures" / "variants.json"
INPUT, OUTPUT, RANK, ALPHA, RATE, STEPS = 12, 10, 2, 6.0, 0.05, 3
NAMES = ["lora", "rslora", "dora", "vera", "pissa", "olora", "adalora", "loha", "lokr", "lokr_whole"]
BUDGET = {"target_rank": 1, "total_steps": 12, "warmup": 2, "final": 3, "every": 2}


def problem():
    """Weight (in, out), bias, inputs and targets: the same for all."""
    rng = np.random.default_rng(11)
    shapes = ((INPUT, OUTPUT), (OUTPUT,), (5, INPUT), (5, OUTPUT))
    return [rng.normal(size=shape).astype(np.float32).astype(np.float64) for shape in shapes]


def rank_of(name):
    return 3 if name == "lokr_whole" else RANK


def configuration(name):
    import peft

    lycoris = {"r": rank_of(name), "alpha": ALPHA}
    plain = {"r": RANK, "lora_alpha": ALPHA}
    kind, options = {
        "lora": (peft.LoraConfig, plain),
        "rslora": (peft.LoraConfig, plain | {"use_rslora": True}),
        "dora": (peft.LoraConfig, plain | {"use_dora": True}),
        "pissa": (peft.LoraConfig, plain | {"init_lora_weights": "pissa"}),
        "olora": (peft.LoraConfig, plain | {"init_lora_weights": "olora"}),
        "vera": (peft.VeraConfig, {"r": RANK}),
        "adalora": (peft.AdaLoraConfig, {"init_r": RANK, "lora_alpha": ALPHA, "total_step": 10}),
        "loha": (peft.LoHaConfig, lycoris),
        "lokr": (peft.LoKrConfig, lycoris),
        "lokr_whole": (peft.LoKrConfig, lycoris),
    }[name]
    return kind(target_modules=["0"], **options)


def ours(name, array):
    """A tensor of PEFT under the name that it has here, in the convention of rows; None if it is not part of it.

    Here the factors stand in the order in which a row meets them: a and b of LoHa and LoKr change places.
    """
    parts = [p for p in name.split(".") if p.startswith(("lora_", "vera_", "hada_", "lokr_"))]
    if not parts:
        return None
    own = parts[0]
    if own.startswith(("hada", "lokr_w2_")):
        own = own[:-1] + {"a": "b", "b": "a"}[own[-1]]
    return own, array.ravel() if own == "lora_E" else array.T if array.ndim == 2 else array


def named(module, gradient=False):
    """Trainable numbers of a module, or their gradients, by our names; and VeRA's matrices."""
    tensors = dict(module.named_parameters())
    results = {n: p.grad if gradient else p for n, p in tensors.items() if p.requires_grad}
    if not gradient:
        results |= {n: p for n, p in module.named_buffers() if "vera_" in n}
    pairs = [ours(n, p.detach().numpy().copy()) for n, p in results.items()]
    return dict(filter(None, pairs))


def freeze_ranks(model):
    """PEFT 0.21.2 takes AdaLoRA's divisor, the rank, for one more number to be trained; here it is what it is."""
    for name, p in model.named_parameters():
        if "ranknum" in name:
            p.requires_grad = False


def from_peft(name):
    """What PEFT makes of a layer with this adapter: its start, output, gradients, merged weight and three steps."""
    import peft
    import torch

    weight, bias, x, target = problem()
    residual = name in ("pissa", "olora")  # PEFT wants float32 for these
    torch.manual_seed(5)
    linear = torch.nn.Linear(INPUT, OUTPUT, dtype=torch.float64)
    linear.weight.data, linear.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
    model = torch.nn.Sequential(linear.float() if residual else linear)
    model = peft.get_peft_model(model, configuration(name)).double()
    layer = model.base_model.model[0]
    freeze_ranks(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    if not residual:
        rng = np.random.default_rng(3)
        for p in trained:
            p.data = torch.tensor(0.5 * rng.normal(size=tuple(p.shape)))
    results = {"start": named(layer), "base": layer.get_base_layer().weight.detach().numpy().T.copy()}
    x, target = torch.tensor(x), torch.tensor(target)
    y = model(x)
    (y - target).square().mean().backward()
    results |= {"output": y.detach().numpy(), "gradients": named(layer, gradient=True)}
    optimizer = torch.optim.SGD(trained, lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (model(x) - target).square().mean().backward()
        optimizer.step()
    results |= {"trained": model(x).detach().numpy()}
    layer.merge()
    return results | {"merged": layer.get_base_layer().weight.detach().numpy().T.copy()}


def start_of_ranks(rank=4):
    """For two layers, weights and adapters that AdaLoRA begins with."""
    rng = np.random.default_rng(8)
    sizes = [(6, 8), (8, 5)]
    return [
        {"weight": rng.normal(size=(n, m)), "lora_A": rng.normal(size=(n, rank)), "lora_E": rng.normal(size=rank),
         "lora_B": rng.normal(size=(rank, m))}
        for n, m in sizes
    ], rng.normal(size=(7, 6)), rng.normal(size=(7, 5))  # fmt: skip


def ranks_from_peft():
    """The entries of e of both layers after each step of AdamW with PEFT's rank allocator."""
    import peft
    import torch

    layers, x, target = start_of_ranks()
    x, target = torch.tensor(x), torch.tensor(target)
    sizes = [layer["weight"].shape for layer in layers]
    model = torch.nn.Sequential(*(torch.nn.Linear(n, m, bias=False, dtype=torch.float64) for n, m in sizes))
    for linear, layer in zip(model, layers, strict=True):
        linear.weight.data = torch.tensor(layer["weight"].T.copy())
    config = peft.AdaLoraConfig(
        init_r=4, target_r=BUDGET["target_rank"], tinit=BUDGET["warmup"], tfinal=BUDGET["final"],
        deltaT=BUDGET["every"], total_step=BUDGET["total_steps"], lora_alpha=4, target_modules=["0", "1"],
    )  # fmt: skip
    model = peft.get_peft_model(model, config).double()
    adapted = list(model.base_model.model)
    freeze_ranks(model)
    for module, layer in zip(adapted, layers, strict=True):
        module.lora_A["default"].data = torch.tensor(layer["lora_A"].T.copy())
        module.lora_B["default"].data = torch.tensor(layer["lora_B"].T.copy())
        module.lora_E["default"].data = torch.tensor(layer["lora_E"][:, None].copy())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05, weight_decay=0.01)
    history = []
    for step in range(1, BUDGET["total_steps"] + 1):
        optimizer.zero_grad()
        (model(x) - target).square().mean().backward()
        optimizer.step()
        model.base_model.update_and_allocate(step)
        history.append([m.lora_E["default"].detach().numpy().ravel().tolist() for m in adapted])
    return {"history": history}


def plain(value):
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else np.asarray(value).tolist()


def stored():
    return json.loads(FIXTURE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    numbers = {name: plain(from_peft(name)) for name in NAMES} | {"ranks": ranks_from_peft()}
    FIXTURE.write_text(json.dumps(numbers, separators=(",", ":")).replace('"},"', '"},\n"') + "\n", encoding="utf-8")
    print(f"{FIXTURE}: {FIXTURE.stat().st_size:,} bytes")
