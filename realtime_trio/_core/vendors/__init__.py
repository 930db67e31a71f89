"""Vendor formats: normalising histories and writing them back."""
