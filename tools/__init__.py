"""Programs for work on the library itself."""
