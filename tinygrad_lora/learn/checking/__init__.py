"""How an answer is checked, and what the report says."""
