"""Questions to be answered before the answer is shown: `predict` in the tutorials, `review` after them."""
