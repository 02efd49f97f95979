"""How often the intervals hold the truth, by simulation: run with `python -m`, writes `docs/coverage.md`."""
