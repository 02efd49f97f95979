"""Numbers only: no matplotlib, no files, no runs."""
