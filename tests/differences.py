"""Fourth-order central differences."""

import numpy as np


def gradient_by_differences(function, x, step=1e-3):
    """Gradient of a scalar ``function`` at ``x`` (p,), with an error of order step^4."""
    gradient = np.empty_like(x)
    for i in range(len(x)):
        direction = np.zeros_like(x)
        direction[i] = step
        near = function(x + direction) - function(x - direction)
        far = function(x + 2 * direction) - function(x - 2 * direction)
        gradient[i] = (8 * near - far) / (12 * step)
    return gradient
