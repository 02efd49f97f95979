"""A trained policy for robots that run something else."""
