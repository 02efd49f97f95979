"""What stores hold, how two of them differ, and what trains on them: numbers first, words apart."""
