"""Sans-IO core: values in, values out."""
