"""Train and analyse robot policies on simulated and real demonstrations."""
