"""Fine-tuning real pretrained networks with LoRA: what they learn, how it goes on after a crash, what is kept."""

from .chatting import Chatting
from .classifying import Classifying
from .examples import Answered, Labeled, read_examples
from .training import Training, TrainingSettings, fine_tune

__all__ = [
    "Answered", "Chatting", "Classifying", "Labeled", "Training", "TrainingSettings", "fine_tune", "read_examples",
]  # fmt: skip
