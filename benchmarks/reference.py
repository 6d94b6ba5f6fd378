"""Reference optima: Newton's method with the exact Hessian, independent of all that is measured.

As a script, compares what it finds with the published optima:

    python benchmarks/reference.py --data DIR --sets iris wine
"""

import argparse

import numpy as np
import scipy.linalg
import scipy.sparse
from problems import OF_SCIKIT_LEARN, data_module, problems_of_set
from scipy.sparse.linalg import LinearOperator, cg

# Half the squared Newton decrement, which near the minimum is F - min F, relative to F.
TOLERANCE = 1e-13
MAX_STEPS = 200
SHORTEST_STEP = 1e-9

# Parameters up to which the Hessian is factorised; above, conjugate gradients take products with it.
MOST_PARAMS_OF_HESSIAN = 2000
TOLERANCE_OF_CG = 1e-3


def optimum(problem):
    """Minimum of F: as published with the data, else found here."""
    return solved(problem) if problem.published_optimum is None else problem.published_optimum


def solved(problem):
    """Minimum of F to a relative 1e-13, by Newton's method with line search."""
    objective = Objective(problem)
    params = np.zeros(objective.shape)
    for _ in range(MAX_STEPS):
        value, probabilities = objective.value_probabilities(params)
        gradient = objective.gradient(params, probabilities)
        step = -objective.newton_direction(gradient, probabilities)
        decrement = -np.vdot(gradient, step) / 2
        if 0 <= decrement <= TOLERANCE * value:
            return float(min(value, objective.value_probabilities(params + step)[0]))
        length = 1.0
        while objective.value_probabilities(params + length * step)[0] > value - 1e-4 * length * decrement:
            length /= 2
            if length < SHORTEST_STEP:
                raise RuntimeError(f"No reference for {problem}: Newton's method ends at {decrement:.1e}.")
        params += length * step
    raise RuntimeError(f"No reference for {problem}: {MAX_STEPS} Newton steps were not enough.")


class Objective:
    """F of a problem by parameters (k, d + 1), the intercept last; centred columns move the intercept alone.

    Adding a number to all intercepts of a softmax changes nothing, so that the Hessian is singular there; it is given a
    curvature of 1 in that direction, in which the gradient is zero.
    """

    def __init__(self, problem):
        n, d, n_classes = problem.shape
        ones = np.ones((n, 1))
        if problem.is_sparse:
            self.design = scipy.sparse.hstack([problem.X, ones], format="csr")
        else:
            self.design = np.hstack([problem.X - problem.X.mean(axis=0), ones])
        self.y = problem.y
        self.first = 1 if n_classes == 2 else 0
        self.shape = n_classes - self.first, d + 1
        self.penalty = np.append(np.full(d, 1 / (problem.C * n)), 0.0)
        self.shift_curvature = 0.0 if self.first else 1.0

    def value_probabilities(self, params):
        """F, and the probabilities (n, K)."""
        logits = self.design @ params.T
        if self.first:
            logits = np.column_stack([np.zeros(len(logits)), logits])
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits)
        sums = probabilities.sum(axis=1, keepdims=True)
        probabilities /= sums
        losses = np.log(sums[:, 0]) - logits[np.arange(len(self.y)), self.y]
        return losses.mean() + (self.penalty * params**2).sum() / 2, probabilities

    def gradient(self, params, probabilities):
        """Gradient (k, d + 1) of F."""
        residuals = probabilities.copy()
        residuals[np.arange(len(self.y)), self.y] -= 1
        return self._mean_over_rows(residuals[:, self.first :]) + self.penalty * params

    def newton_direction(self, gradient, probabilities):
        """The inverse of the Hessian times the gradient."""
        chances = probabilities[:, self.first :]
        if gradient.size <= MOST_PARAMS_OF_HESSIAN:
            return self._solved_directly(gradient, self._hessian(chances))
        return self._solved_by_cg(gradient, chances)

    def _solved_directly(self, gradient, hessian):
        """Solution by a Cholesky factor, with the diagonal scaled to 1."""
        scale = 1 / np.sqrt(np.diag(hessian))
        factor = scipy.linalg.cho_factor(hessian * np.outer(scale, scale))
        return (scale * scipy.linalg.cho_solve(factor, scale * gradient.ravel())).reshape(self.shape)

    def _solved_by_cg(self, gradient, chances):
        """Solution by conjugate gradients, preconditioned by the diagonal."""

        def product(flat):
            direction = flat.reshape(self.shape)
            slopes = self.design @ direction.T
            slopes -= (chances * slopes).sum(axis=1, keepdims=True)
            result = self._mean_over_rows(chances * slopes) + self.penalty * direction
            result[:, -1] += self.shift_curvature * direction[:, -1].sum()
            return result.ravel()

        squares = self.design.multiply(self.design).tocsr() if scipy.sparse.issparse(self.design) else self.design**2
        diagonal = (squares.T @ (chances * (1 - chances))).T / len(self.y) + self.penalty
        size = 2 * (gradient.size,)
        solution, _ = cg(
            LinearOperator(size, product),
            gradient.ravel(),
            rtol=TOLERANCE_OF_CG,
            M=LinearOperator(size, lambda flat: flat / diagonal.ravel()),
        )
        return solution.reshape(self.shape)

    def _hessian(self, chances):
        """The Hessian as a matrix (k (d + 1), k (d + 1))."""
        n_logits, width = self.shape
        hessian = np.empty((n_logits, width, n_logits, width))
        for i in range(n_logits):
            for j in range(i + 1):
                weights = chances[:, i] * ((i == j) - chances[:, j])
                if scipy.sparse.issparse(self.design):
                    block = (self.design.T @ self.design.multiply(weights[:, None])).toarray() / len(self.y)
                else:
                    block = self.design.T @ (self.design * weights[:, None]) / len(self.y)
                block[-1, -1] += self.shift_curvature
                if i == j:
                    block += np.diag(self.penalty)
                hessian[i, :, j], hessian[j, :, i] = block, block.T
        return hessian.reshape(n_logits * width, n_logits * width)

    def _mean_over_rows(self, by_logits):
        """Gradient (k, d + 1) of a mean over the rows, given that by the logits (n, k) of each."""
        return (self.design.T @ by_logits).T / len(self.y)


def main():
    """Print the relative differences from the published optima."""
    parser = argparse.ArgumentParser(description="Compare Newton's method with the published optima.")
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--sets", nargs="+", default=list(OF_SCIKIT_LEARN))
    parser.add_argument("--C", nargs="+", type=float, default=[0.01, 1.0, 100.0])
    args = parser.parse_args()
    load = data_module(args.data)
    for name in args.sets:
        for problem in problems_of_set(name, args.C, load):
            if problem.published_optimum is not None:
                found = solved(problem)
                print(f"{problem}: {found:.15g}, relative difference {found / problem.published_optimum - 1:+.1e}")


if __name__ == "__main__":
    main()
