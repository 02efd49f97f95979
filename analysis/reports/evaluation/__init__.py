"""Trials of a lab, from files kept by hand to what they show: `align evaluate` and `align plan`."""
