"""Arms, or runs, as points in a plane: what is measured one way against another."""
