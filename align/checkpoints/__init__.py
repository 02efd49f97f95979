"""What a checkpoint holds, and whose code may run because it says so."""
