"""Probes: classifiers and regressions trained on embeddings, and judged on episodes held out of them."""
