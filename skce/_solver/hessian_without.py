"""The Hessian of all rows without each of some: its products and Newton's steps by it, of one factorisation.

With H that of F, and x_i D_i x_i^T / S what row i adds to it, of columns x_i kron I,

    (H - x_i D_i x_i^T / S)^-1  =  H^-1 + H^-1 x_i (I - D_i V_i / S)^-1 D_i / S x_i^T H^-1        V_i = x_i^T H^-1 x_i
"""

from dataclasses import dataclass

import numpy as np

from skce._types import Array

# Added to the identity, so that a row without which there is no curvature left has large numbers and no error.
LEAST_LEFT = 1e-12


@dataclass(frozen=True, eq=False)
class HessianWithout:
    """The Hessians (r, f, q, q) without each of r rows, of ``hessians`` (f, q, q) with the inverse of each.

    ``columns`` (p, r) are those of the rows, ``D`` (r, f, k, k) their curvatures over S, ``raised`` (r, f, q, k) is
    H^-1 x, and ``left`` (r, f, k, k) what lies between two of these. Of separate problems f = K, k = 1, else f = 1.
    """

    hessians: Array
    inverse: Array
    columns: Array
    D: Array
    raised: Array
    left: Array

    @classmethod
    def of(cls, curvature, columns, entries, total):
        """That of an ExactCurvature, without rows of ``columns`` (p, r) and entries of D (w, r), and S = ``total``."""
        classes, hessians, inverse = curvature.classes, curvature.hessians, curvature.inverses
        n_columns, n_rows = columns.shape
        if classes.are_separate:
            raised = (inverse @ columns).transpose(2, 0, 1)[..., None]
            D = entries.T[..., None, None] / total
            spreads = np.einsum("pr,rfpk->rfk", columns, raised)[..., None]
        else:
            first, second = classes.pairs
            differences = classes.vectors[:, first] - classes.vectors[:, second]
            D = np.einsum("aw,bw,wr->rab", differences, differences, entries)[:, None] / total
            size, by_column = classes.size, inverse.reshape(-1, n_columns, classes.size)
            raised = columns.T @ by_column.transpose(1, 0, 2).reshape(n_columns, -1)
            raised = raised.reshape(n_rows, 1, -1, size)
            spreads = np.einsum("pr,rpkl->rkl", columns, raised.reshape(n_rows, n_columns, size, size))[:, None]
        left = np.linalg.solve((1 + LEAST_LEFT) * np.eye(D.shape[-1]) - D @ spreads, D)
        return cls(hessians, inverse, columns, D, raised, left)

    def steps(self, at, gradients):
        """Newton's steps (m, p, k) without some of the rows, places (m,), for gradients (m, p, k)."""
        flat = self._flat(gradients)
        steps = self._times(self.inverse, flat)
        steps = steps + (self.raised[at] @ (self.left[at] @ self._own(at, steps)))[..., 0]
        return -self._reduced(steps, gradients.shape)

    def products(self, at, steps):
        """The Hessians' products (m, p, k) with steps (m, p, k), without some of the rows, places (m,)."""
        flat = self._flat(steps)
        own = (self.D[at] @ self._own(at, flat))[..., 0]
        columns = self.columns[:, at].T[:, None, :, None]
        of_rows = (columns * own[:, :, None]).reshape(flat.shape)
        return self._reduced(self._times(self.hessians, flat) - of_rows, steps.shape)

    def _own(self, at, flat):
        """Changes (m, f, k, 1) of the logits of the rows, places (m,), by flat parameters (m, f, q)."""
        by_column = flat.reshape(*flat.shape[:2], len(self.columns), self.D.shape[-1])
        return np.einsum("pm,mfpk->mfk", self.columns[:, at], by_column)[..., None]

    def _flat(self, reduced):
        """Parameters (m, p, k) as those of f problems (m, f, q)."""
        if len(self.hessians) > 1:
            return np.swapaxes(reduced, 1, 2)
        return reduced.reshape(len(reduced), 1, self.hessians.shape[-1])

    def _reduced(self, flat, shape):
        """The inverse of ``_flat``."""
        return np.swapaxes(flat, 1, 2) if len(self.hessians) > 1 else flat.reshape(shape)

    def _times(self, matrices, flat):
        """Products (m, f, q) of symmetric matrices (f, q, q) with vectors (m, f, q)."""
        return np.swapaxes(np.swapaxes(flat, 0, 1) @ matrices, 0, 1)
