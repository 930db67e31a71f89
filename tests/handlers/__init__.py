"""The conversation rules, one file for each group of them."""
