"""The suite: it mirrors the package, one file for each module."""
