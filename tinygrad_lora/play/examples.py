"""What to start from: a few lines each, from a product to a rule that is wrong."""

EXAMPLES = {
    "A product": """\
# Change the 3 to a 5. Before you look: what becomes of the gradient of x?
x = tl.parameter(2.0)
y = tl.parameter(3.0)
z = x * y
""",
    "A diamond": """\
# Two paths lead from x to z, and their gradients add up.
x = tl.parameter(3.0)
left = x * x
right = 2.0 * x
z = left + right
""",
    "LoRA": """\
# The base W is frozen. Only A and B learn, and B begins with zeros: so what is the gradient of A?
rng = np.random.default_rng(0)
x = tl.parameter(rng.normal(size=(4, 3)), trainable=False)
W = tl.parameter(rng.normal(size=(3, 3)), trainable=False)
A = tl.parameter(rng.normal(size=(3, 1)))
B = tl.parameter(np.zeros((1, 3)))
y = x @ W + 2.0 * (x @ A) @ B
loss = tl.mean(y ** 2)
""",
    "Softmax and cross-entropy": """\
# The gradient of the logits is the softmax minus one at the label, over the number of rows.
logits = tl.parameter([[2.0, 1.0, 0.1], [0.0, 3.0, 0.0]])
loss = tl.cross_entropy(logits, np.array([0, 1]))
""",
    "A shape that does not fit": """\
# Read what it says, and repair it.
x = tl.parameter(np.ones((4, 3)))
W = tl.parameter(np.ones((2, 3)))
y = x @ W
""",
    "A wrong rule": """\
# The backward rule of y = x^2, written by hand. What does the doctor say, and what must be changed?
def rule(g, y, x):
    return g * x

tl.diagnose(rule, np.square, np.array([3.0, -2.0])).sentence
""",
}
