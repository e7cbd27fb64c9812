"""Traced graphs as ONNX files. Read in this order: rules, builder, export."""

from .export import OnnxFile, save_onnx

__all__ = ["OnnxFile", "save_onnx"]
