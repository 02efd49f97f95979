"""What was published, and what the recorded sweeps say of it."""
