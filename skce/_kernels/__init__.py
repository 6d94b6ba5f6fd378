"""Kernels: from the logits of a block of rows to values, gradients and curvatures; arrays only."""
