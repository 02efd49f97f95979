"""What makes a training step fast, beside the module that says what it is."""
