"""Labels: what y means, and what its classes weigh."""
