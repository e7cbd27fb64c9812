"""The adapters of a whole model."""
