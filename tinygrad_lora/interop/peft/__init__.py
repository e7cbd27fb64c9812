"""Adapters as the PEFT library keeps them: a folder with `adapter_config.json` and `adapter_model.safetensors`."""

from .files import load_adapter, save_adapter

__all__ = ["load_adapter", "save_adapter"]
