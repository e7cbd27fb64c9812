# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 50 · Square
# *Outcome: you can say in one sentence what you have learned · 50 minutes*
#
# Begin with a question, and let the cells answer it.

# %%
import tinygrad_lora as tl

x = tl.parameter(3.0, "x")
(x * x).backward()
x.gradient

# %% [markdown] instructor=true
# This cell is in the instructor's notebook alone. The next fetches solutions, and is in none.

# %% instructor=true
from tinygrad_lora.learn import reference
