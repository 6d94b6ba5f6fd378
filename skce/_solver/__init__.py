"""The solver: from a problem to its solution."""
