"""Secants: steps and what they changed the gradient by, which tell what a curvature has missed (BFGS)."""

import numpy as np

# Steps that are kept of each of many problems.
MOST_OF_MANY = 5


class Secants:
    """The last ``most`` steps (p,) along which F curves, with the changes (p,) of the gradient."""

    def __init__(self, most):
        self.most = most
        self.pairs = []

    def __len__(self):
        return len(self.pairs)

    def add(self, step, change):
        """Keep a step and the change of the gradient along it, if F curves there."""
        product = float(step @ change)
        if product > 0:
            self.pairs = [*self.pairs[1 - self.most :], (step, change, product)]

    def forget(self):
        """Keep none of them."""
        self.pairs = []

    def step(self, curvature, gradient):
        """The step (p,) of the two-loop recursion for a gradient (p,), from Newton's by a curvature."""
        shares = []
        for step, change, product in reversed(self.pairs):
            shares.append(float(step @ gradient) / product)
            gradient = gradient - shares[-1] * change
        taken, _ = curvature.newton_step(gradient)
        for (step, change, product), share in zip(self.pairs, reversed(shares), strict=True):
            taken = taken - (share + float(change @ taken) / product) * step
        return taken


class StackedSecants:
    """As Secants, in arrays: ``steps`` and ``changes`` (m, p), of which each step of many takes a few products.

    With R the upper triangle of the products s_i . y_j of steps and changes, D its diagonal and B the curvature, the
    two-loop recursion for a gradient g is

        a = R^-1 S g        d = -B^-1 (g - Y^T a)        d - S^T R^-T (D a + Y d)
    """

    def __init__(self, most):
        self.most = most
        self.forget()

    def __len__(self):
        return len(self.inverse)

    def forget(self):
        """Keep none of them."""
        self.steps = self.changes = self.inverse = np.zeros((0, 0))

    def add(self, step, change):
        """Keep a step and the change of the gradient along it, if F curves there."""
        product = float(step @ change)
        if not product > 0:
            return
        if not len(self):
            self.steps, self.changes, self.inverse = step[None], change[None], np.array([[1 / product]])
            return
        steps, changes, kept = (array[1 - self.most :] for array in (self.steps, self.changes, self.inverse))
        kept = kept[:, -len(kept) :]
        inverse = np.zeros((len(kept) + 1, len(kept) + 1))
        inverse[:-1, :-1] = kept
        inverse[:-1, -1] = kept @ (steps @ change) / -product
        inverse[-1, -1] = 1 / product
        self.steps, self.changes = np.concatenate([steps, step[None]]), np.concatenate([changes, change[None]])
        self.inverse = inverse

    def have_more(self, diagonal):
        """Take the changes of the gradient for those where the Hessian has this diagonal (p,) more."""
        if not len(self):
            return
        steps, changes = self.steps, self.changes + diagonal * self.steps
        curves = (steps * changes).sum(axis=1) > 0
        if not curves.all():
            steps, changes = steps[curves], changes[curves]
        self.forget()
        if len(steps):
            self.steps, self.changes = steps, changes
            self.inverse = np.linalg.inv(np.triu(steps @ changes.T))

    def step(self, curvature, gradient):
        """The step (p,) of the two-loop recursion for a gradient (p,), from Newton's by a curvature."""
        if not len(self):
            return curvature.newton_step(gradient)[0]
        shares = self.inverse @ (self.steps @ gradient)
        taken, _ = curvature.newton_step(gradient - shares @ self.changes)
        of_steps = (shares / self.inverse.diagonal() + self.changes @ taken) @ self.inverse
        return taken - of_steps @ self.steps


class ManySecants:
    """Secants of ``n_fits`` problems of one shape, whose steps are taken together: arrays (r, p, k)."""

    def __init__(self, n_fits):
        self.n_fits = n_fits
        self.pairs = []

    def add(self, at, steps, changes):
        """Keep steps (m, p, k) and changes (m, p, k) of the gradients of some fits, places (m,)."""
        products = (steps * changes).sum(axis=(1, 2))
        inverse = np.zeros(self.n_fits)
        inverse[at] = np.where(products > 0, 1 / np.where(products > 0, products, 1), 0)
        pair = np.zeros((2, self.n_fits, *steps.shape[1:]))
        pair[:, at] = steps, changes
        self.pairs = [*self.pairs[1 - MOST_OF_MANY :], (*pair, inverse)]

    def forget(self, at):
        """Keep none of some fits, places (m,)."""
        for *_, inverse in self.pairs:
            inverse[at] = 0

    def steps(self, at, gradients, newton_steps):
        """As that of Secants, of some fits, places (m,), from what Newton's are for gradients (m, p, k)."""
        shares = []
        for steps, changes, inverse in reversed(self.pairs):
            shares.append(inverse[at] * (steps[at] * gradients).sum(axis=(1, 2)))
            gradients = gradients - shares[-1][:, None, None] * changes[at]
        taken = newton_steps(gradients)
        for (steps, changes, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            of_step = share + inverse[at] * (changes[at] * taken).sum(axis=(1, 2))
            taken = taken - of_step[:, None, None] * steps[at]
        return taken
