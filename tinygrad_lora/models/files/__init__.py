"""The files of pretrained models: where they are, and how they are read."""
