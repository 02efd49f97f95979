"""Motion planning of a point in a maze and of an arm: smooth plans of one planner, jagged ones of another."""
