"""Numbers in, a matplotlib Figure out."""
