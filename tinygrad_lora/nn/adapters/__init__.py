"""LoRA and its relatives: layers around a layer that they adapt."""
