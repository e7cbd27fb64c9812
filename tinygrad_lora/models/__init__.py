"""Real pretrained networks: fetched on request, read with care, and run on this engine."""
