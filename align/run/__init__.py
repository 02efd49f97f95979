"""A run's directory: what its files are called, when it is finished, what was recorded of it. No torch."""
