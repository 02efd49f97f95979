"""Experiments: a question is a grid in a YAML file, and `sweep` runs any of them."""
