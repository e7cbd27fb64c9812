"""Exercises of tutorial 12: LoRA on a real model, compiled."""
