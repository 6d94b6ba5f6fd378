"""Curvatures: the coordinates in which the solver works."""
