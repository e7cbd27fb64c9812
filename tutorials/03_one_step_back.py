# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 · One step back
# *Outcome: you can write the backward rule of an operation, and check it with numbers. · 55 minutes*
#
# Forward, a node asks: what is my value? Backward, it asks: how much do I matter?

# %%
import numpy as np

import tinygrad_lora as tl

# %% instructor=true
from tinygrad_lora.learn import reference

# %% [markdown]
# ## What a slope says
#
# Let $y = \tanh x$. At $x = 0.5$, how far does $y$ move when $x$ moves by 0.01?

# %%
x, step = 0.5, 0.01
moved = np.tanh(x + step) - np.tanh(x)
print(f"y moves by {moved:.5f}, which is {moved / step:.3f} times the step")

# %% [markdown]
# The factor is called the **slope**, or derivative. For small steps it is the slope of the tangent.
# In the picture the curve and the tangent are hard to tell apart near 0.5. That is the whole idea.

# %%
slope = 1 - np.tanh(x) ** 2
xs = np.linspace(-1, 2, 200)
chart = tl.Chart("The tangent at x = 0.5", x="x", y="y")
chart.line(xs, np.tanh(xs), "y = tanh x")
chart.line(xs, np.tanh(x) + slope * (xs - x), f"tangent, slope {slope:.3f}")
chart.points(x, np.tanh(x), series=7)

# %% [markdown]
# ## Measuring a slope
#
# Any function has a slope that can be measured, even if nobody knows its derivative.
# Step to the right, and divide the rise by the step:

# %% predict="03-smaller-step"
tl.predict("03-smaller-step")


# %%
def forward_difference(f, x, h):
    return (f(x + h) - f(x)) / h


for h in (0.1, 0.01, 0.001):
    found = forward_difference(np.tanh, x, h)
    print(f"h = {h:<6} {found:.6f}  error {abs(found - slope):.1e}")

# %% [markdown]
# A step ten times smaller gives an error ten times smaller. Can we do better with the same two calls of `f`?
# Yes: look to both sides, and the error from the bend of the curve cancels out.

# %% exercise="03-central-difference"
central_difference = reference("03-central-difference")

# %% [markdown]
# ## Why not a tiny step?
#
# If small is good, is $10^{-15}$ best? Let us try all sizes. A central difference is the mean of two forward
# differences, one with step $h$ and one with $-h$.

# %%
sizes = 10.0 ** np.arange(-15, 0.5, 0.5)
one_sided = np.array([abs(forward_difference(np.tanh, x, h) - slope) for h in sizes])
both = [(forward_difference(np.tanh, x, h) + forward_difference(np.tanh, x, -h)) / 2 for h in sizes]
central = abs(np.array(both) - slope)
for name, errors in {"one-sided": one_sided, "central": central}.items():
    print(f"{name:<10} smallest error {errors.min():.0e} at h = {sizes[errors.argmin()]:.0e}")

# %%
chart = tl.Chart("Too large bends, too small rounds", x="step h", y="error of the slope", log="xy")
chart.line(sizes, one_sided + 1e-17, "one-sided", points=True)
chart.line(sizes, central + 1e-17, "central", points=True)

# %% [markdown]
# Both curves have the shape of a U. On the right the step is so large that the function bends within it.
# On the left `f(x + h)` and `f(x)` agree in almost all their digits, so few are left when they are subtracted.
#
# Measuring needs two calls of `f` for every input. A network has millions of parameters, so we want something better.
# But a measurement is the perfect judge for it.

# %% [markdown]
# ## A backward rule
#
# Let $L$ be the number that we care about: the loss. Each node gets a number $g$: how much $L$ moves when the node's
# output moves by a little. That is its **gradient**.
#
# A backward rule answers one question. *The output has gradient $g$; what are the gradients of the operands?*
# The answer is the chain rule: multiply $g$ by the slope of the output in that operand.
#
# Example: subtraction, $y = a - b$. When $a$ rises by 1, $y$ rises by 1. When $b$ rises by 1, $y$ falls by 1.


# %%
def subtract_vjp(g, y, a, b):
    return g, -g


# %% [markdown]
# The name is short for vector-Jacobian product, which tutorial 05 explains. Is the rule right? `diagnose` compares it
# with measured slopes. It returns None if it finds no mistake.

# %%
from tinygrad_lora.learn import diagnose

a, b = np.array([1.5, -0.5, 2.0]), np.array([3.0, 0.5, -1.0])
print(diagnose(subtract_vjp, np.subtract, a, b))

# %% [markdown]
# Now three mistakes. `diagnose` does not just say "wrong"; it says what is wrong.


# %%
def forgets_the_sign(g, y, a, b):
    return g, g


def forgets_what_flows_in(g, y, a, b):
    return np.ones(3), -np.ones(3)


def exchanges_the_two(g, y, a, b):
    return -g, g


for rule in (forgets_the_sign, forgets_what_flows_in, exchanges_the_two):
    print(f"{rule.__name__}: {diagnose(rule, np.subtract, a, b)}")

# %% exercise="03-basic"
add_vjp, mul_vjp, neg_vjp = reference("03-basic")

# %% [markdown]
# ## Why g?
#
# Take $L = 5 \cdot (x y)$ with $x = 2$ and $y = 3$. Watch the engine go back, one contribution at a time.

# %%
x, y = tl.parameter(2.0, "x"), tl.parameter(3.0, "y")
L = 5 * (x * y)
L.name = "L"
steps = tl.step_through(L)
steps

# %%
for event in steps:
    if event.phase == "backward":
        print(event)

# %% [markdown]
# The product gets the gradient 5 from above. Its own slope in `x` is `y`, so 3. Together that is 15.
# Without `g` the rule would say 3, as if the 5 did not exist.
#
# Measure it: when `x` moves from 2 to 2.001, `L` moves from 30 to

# %%
moved = 5 * (2.001 * 3)
print(f"{moved:.3f}, so by {(moved - 30) / 0.001:.2f} times the step")

# %% predict="03-factor"
tl.predict("03-factor")

# %% [markdown]
# ## From the output
#
# A rule gets the output `y` as well as the operands. Why would it want that?
# Take the reciprocal, $y = 1 / x$. Its slope is $-1/x^2$, and $1/x^2$ is just $y^2$, which has been computed.

# %% predict="03-reciprocal"
tl.predict("03-reciprocal")


# %%
def reciprocal_vjp(g, y):
    return -g * y * y


print(diagnose(reciprocal_vjp, np.reciprocal, np.array([0.5, 2.0, -4.0]), arguments="g, y"))

# %% [markdown]
# This rule never looks at `x`. It computes nothing twice, and the engine may forget `x` in the meantime.
# That saves memory, and with a function such as $e^x$ it saves time as well.
#
# Books write such rules with a bar: $\bar x$ is the gradient of $x$, and $\bar y$ is our `g`.
# So does the engine, in the first line of each operation:

# %%
print(tl.subtract.__doc__)

# %% exercise="03-exp-tanh"
exp_vjp, tanh_vjp = reference("03-exp-tanh")

# %% [markdown]
# ## Where there is no slope
#
# $y = |x|$ has a corner at 0. What do the three ways to measure say there?

# %% predict="03-corner"
tl.predict("03-corner")

# %%
h = 0.25
print("from the left: ", forward_difference(abs, 0.0, -h))
print("from the right:", forward_difference(abs, 0.0, h))
print("both sides:    ", (forward_difference(abs, 0.0, -h) + forward_difference(abs, 0.0, h)) / 2)

# %% [markdown]
# Three answers: -1, 1 and 0. None is wrong, because there is no slope at a corner.
# An engine has to choose one, and say so. Any number between the two one-sided slopes is a fair choice.
#
# The corner that matters is that of ReLU, $\max(x, 0)$, the most common function in neural networks.

# %%
xs = np.linspace(-2, 2, 201)
chart = tl.Chart("y = max(x, 0): which slope at the dot?", x="x", y="y")
chart.line(xs, np.maximum(xs, 0)).points(0, 0, series=0)

# %% exercise="03-relu"
relu_vjp, slopes = reference("03-relu")

# %% [markdown]
# ## The whole way back
#
# With a rule for each operation the engine can differentiate any formula. You call `backward()` on the last node.

# %%
x, y = tl.parameter(0.5, "x"), tl.parameter(2.0, "y")
f = tl.tanh(x * y) / tl.exp(y)
f.name = "f"
f.backward()
tl.draw(f, values=True, gradients=True)

# %% [markdown]
# Is it right? A measurement decides, as always. `check_gradients` measures every input, and returns the largest
# difference.


# %%
def formula(x, y):
    return tl.tanh(x * y) / tl.exp(y)


print(f"gradients {float(x.gradient):.5f} and {float(y.gradient):.5f}")
print("differ from the measured ones by less than 1e-8:", tl.check_gradients(formula, 0.5, 2.0) < 1e-8)

# %% exercise="03-repair"
divide_vjp, sqrt_vjp, log_vjp = reference("03-repair")

# %% [markdown]
# ## What to take with you
#
# * A slope says how far the output moves for a small step of the input.
# * A backward rule multiplies what flows in, `g`, by the slope of its own operation.
# * Some rules need the operands, some need the output, and the sum needs neither.
# * At a corner there is no slope, and the engine chooses one.
# * A measured slope is slow and not exact, but it is the best judge there is.
#
# In the last formula `y` has two users, and each sends a gradient back. Tutorial 04 asks how they come together.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | What a slope says; `03-central-difference` | 12 | 3 |
# | Why not a tiny step | 5 | |
# | A backward rule, `03-basic` | 13 | 3 |
# | Why g; from the output, `03-exp-tanh` | 10 | 2 |
# | Where there is no slope, `03-relu` | 8 | 4 |
# | The whole way back, `03-repair` | 7 | 3 |
#
# Fifteen points in all. Short of time? Leave out the U-curve, and give `03-repair` as homework.
#
# Likely mistakes, as diagnosis codes:
#
# * `one-sided` in `03-central-difference`: the forward difference from the text. The second check shows it:
#   the error halves where it should fall to a quarter.
# * `missing-brackets`: `/ 2 * h`. Let the student compute `8 / 2 * 4` by hand.
# * `missing-upstream`, everywhere: the slope alone, without `g`. Go back to the 5 in `L = 5 * (x * y)`.
# * `swapped-gradients` in `03-basic`: `g * a, g * b`. Ask which operand stays still when `a` moves.
# * `function-twice` in `03-exp-tanh`: `np.exp(y)`. The output is the exponential already.
# * `slope-at-zero` in `03-relu`: `>=` for `>`. Not wrong mathematically, but not what this engine promises.
# * `input-for-output` in `03-repair`: a rule right in form, on the wrong argument. The doctor re-runs it and says so.
#
# From the zoo: `relu_at_zero` gives slope 1 at 0. Show an input on which it differs from the engine.
#
# Ask at the end: which rules need neither operands nor output? Those with a constant slope, as in sums and `scale`.
