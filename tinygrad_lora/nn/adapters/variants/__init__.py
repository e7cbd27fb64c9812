"""LoRA's relatives. Each is a class of adapter in a file of its own; two differ from LoRA in how they are trained.

`adapt(model, rank, variant="dora")` takes a name of `VARIANTS`. LoRA+ is LoRA with the optimizer `LoRAPlus`, ReLoRA is
LoRA with `restart` every so many steps; AdaLoRA wants the optimizer `RankAllocator` and the penalty
`orthogonality`.
"""

from ..adapter import Adapter
from ..lora import LoRALayer
from .adalora import AdaLoRA, orthogonality
from .dora import DoRA
from .loha import LoHa
from .lokr import LoKr
from .lora_fa import LoRAFA
from .lora_plus import LoRAPlus
from .olora import OLoRA
from .pissa import PiSSA
from .qlora import QLoRA
from .rank_allocator import RankAllocator
from .rslora import RsLoRA
from .vera import VeRA

VARIANTS: dict[str, type[Adapter]] = {
    "rslora": RsLoRA, "lora_plus": LoRALayer, "lora_fa": LoRAFA, "dora": DoRA, "vera": VeRA,
    "pissa": PiSSA, "olora": OLoRA, "adalora": AdaLoRA, "qlora": QLoRA, "loha": LoHa, "lokr": LoKr,
    "relora": LoRALayer,
}  # fmt: skip

__all__ = [
    "VARIANTS", "AdaLoRA", "DoRA", "LoHa", "LoKr", "LoRAFA", "LoRAPlus", "OLoRA", "PiSSA", "QLoRA", "RankAllocator",
    "RsLoRA", "VeRA", "orthogonality",
]  # fmt: skip
