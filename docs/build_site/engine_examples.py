"""What the page about the engine runs after each file, and prints: a section for each."""

import inspect

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.core import ops
from tinygrad_lora.core.autodiff import pulling_back
from tinygrad_lora.core.source import function_from_source

# --- source ---
double = function_from_source("double", "def double(x):\n    return 2 * x\n")
double(np.array([1.0, 2.0]))

# --- node ---
x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
product = x * y
product
product.op, product.parents == (x, y)
tl.placeholder((2, 3)) * y

# --- graph ---
a = tl.placeholder((), name="a")
graph = tl.Graph([a], [tl.exp(a) * a])
print(graph)
graph(np.array(1.0))

# --- ops ---
ops.matmul.numpy, ops.matmul.signature
ops.tanh(np.array([0.0, 1.0]))
ops.tanh.vjp(1.0, 0.5, None)

# --- autodiff ---
loss = x * y + x * x
for node, gradient in pulling_back(loss, np.float64(1.0)):
    print(f"{node.op} {node.name or ''}: {gradient}")

loss.backward()
x.gradient, y.gradient

# --- trace ---
print(tl.trace(lambda v: tl.tanh(v @ v.T), np.ones((2, 3))))

# --- arraylike ---
1.0 + x, x > 2.0, float(x)
np.ones(2) * x

# --- eager ---
print(inspect.getsource(ops.add.apply))
