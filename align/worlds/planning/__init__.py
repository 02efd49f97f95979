"""Motion planning in a 2-D maze: smooth plans of one planner, jagged plans of another, the same queries."""
