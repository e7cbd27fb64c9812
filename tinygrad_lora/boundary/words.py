"""What users of NumPy and PyTorch write that nodes do not have, and what to write here."""

_OURS = "use the function of tinygrad_lora, or pass node.value if no gradient is wanted"
LOST = f"np.{{}} does not work on nodes, since the gradient would be lost: {_OURS}"
WALKED = "write [node[i] for i in range(len(node))], or tl.sum for Python's sum"
REBUILT = "build a new one with tl.where(mask, a, b) or tl.concatenate([a, b])"
BUILD_AGAIN = "build it again (w -= step makes such a result; w.value = w.value - step does not)"
NUMBERS = {  # for arrays that hold none, by the kind of the dtype
    "c": "gradients are real numbers, so pass .real and .imag as two arrays",
    "O": "np.asarray(data, dtype=float) converts objects that stand for numbers",
    "U": "np.asarray(data, dtype=float) reads numbers from text",
    "S": "np.asarray(data, dtype=float) reads numbers from text",
    "M": "subtract a date and divide by np.timedelta64(1, 's')",
    "m": "divide by np.timedelta64(1, 's')",
    "V": "pass one field, as in array['name']",
}
OPERATORS_REFUSED = {
    "ge le": (
        "nodes compare with > and < only: where a >= b is to choose, swap the choices, as in tl.where(b > a, no, yes)"
    ),
    "floordiv rfloordiv mod rmod divmod rdivmod": (
        "nodes have no //, % and divmod, whose gradients are of no use: compute them on node.value"
    ),
    "and rand or ror xor rxor invert": (
        "nodes have no &, |, ^ and ~: for conditions write tl.where(a, b, False), tl.where(a, True, b) and "
        "tl.where(a, False, True)"
    ),
}
_METHODS = {  # attributes of arrays and tensors
    "item": "float(node)",
    "tolist numpy data cpu": "node.value, its array",
    "grad": "node.gradient",
    "requires_grad requires_grad_": "node.requires_gradient; tl.parameter(array, trainable=False) makes a frozen one",
    "backward_": "node.backward()",
    "zero_grad zero_": "node.zero_gradient()",
    "retain_grad": "node.gradient, which backward() fills in every node",
    "grad_fn": "node.op and node.parents",
    "detach": "tl.stop_gradient(node)",
    "copy clone": "tl.identity(node), or np.array(node) for its numbers",
    "astype to type float double half": "tl.cast(node, 'float32')",
    "device cuda": "nothing: all numbers are in NumPy's arrays",
    "flatten ravel": "node.reshape(-1)",
    "view squeeze unsqueeze resize": "node.reshape(shape)",
    "expand expand_as repeat tile": "tl.broadcast(node, shape)",
    "dot mm bmm matmul": "a @ b",
    "transpose permute swapaxes moveaxis t": "node.mT, which swaps the last two axes",
    "min amin": "-tl.max(-node)",
    "amax": "node.max()",
    "argmax argmin argsort sort any all nonzero": "np.asarray(node), and ask NumPy: no gradient passes here",
    "var": "tl.mean((node - tl.mean(node)) ** 2)",
    "std": "tl.sqrt(tl.mean((node - tl.mean(node)) ** 2))",
    "norm": "tl.sqrt(tl.sum(node * node))",
    "prod": "tl.exp(tl.sum(tl.log(node))), for positive numbers",
    "cumsum": "node @ np.triu(np.ones((n, n))), along a last axis of length n",
    "clip clamp": "tl.maximum(node, low), and -tl.maximum(-node, -high)",
    "abs": "abs(node)",
    "round": "round(float(node)), whose gradient is lost",
    "pow": "node ** exponent",
    "square": "node * node",
    "masked_fill": "tl.where(mask, value, node)",
    "take gather index_select": "tl.take(node, rows)",
    "fill fill_ put": "tl.where(mask, a, b): nodes are read-only",
    "add add_": "a + b",
    "sub sub_": "a - b",
    "mul mul_": "a * b",
    "div div_": "a / b",
}
INSTEAD = {name: remedy for names, remedy in _METHODS.items() for name in names.split()}
FUNCTIONS = ("exp", "log", "sqrt", "tanh", "relu", "sigmoid", "gelu", "softmax", "log_softmax", "sign")
INSTEAD |= {name: f"tl.{name}(node)" for name in FUNCTIONS}
