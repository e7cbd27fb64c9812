"""Known wrong answers: a layer of low rank."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t11.lora_layer import LoRALayer, exercise


@exercise.mutant("factor")
class ForgetsTheScaling(LoRALayer):
    def __call__(self, x):
        return (x @ self.lora_A) @ self.lora_B


@exercise.mutant("factor")
class ScalesByAlphaAlone(LoRALayer):
    def __init__(self, input_size, output_size, rank, alpha, seed=0):
        super().__init__(input_size, output_size, rank, alpha, seed)
        self.scaling = alpha


@exercise.mutant("zero-start")
class StartsWithZeros(LoRALayer):
    def __init__(self, input_size, output_size, rank, alpha, seed=0):
        super().__init__(input_size, output_size, rank, alpha, seed)
        self.lora_A = tl.parameter(np.zeros((input_size, rank)))


@exercise.mutant("not-zero-at-start")
class DrawsBoth(LoRALayer):
    def __init__(self, input_size, output_size, rank, alpha, seed=0):
        super().__init__(input_size, output_size, rank, alpha, seed)
        self.lora_B = tl.parameter(np.random.default_rng(seed).normal(size=(rank, output_size)))


@exercise.mutant("builds-the-product")
class MultipliesAByB(LoRALayer):
    def __call__(self, x):
        return x @ (self.scaling * (self.lora_A @ self.lora_B))


@exercise.mutant("missing-parameter")
class UsesPlainArrays(tl.Layer):
    def __init__(self, input_size, output_size, rank, alpha, seed=0):
        self.lora_A = np.random.default_rng(seed).normal(size=(input_size, rank))
        self.lora_B, self.scaling = np.zeros((rank, output_size)), alpha / rank

    def __call__(self, x):
        return (x @ self.lora_A) @ self.lora_B * self.scaling
