"""Vendor formats: normalise histories and write them back."""
