"""What is measured of a run and of a sweep, and written."""
