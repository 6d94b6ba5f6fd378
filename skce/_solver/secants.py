"""Secants: steps and what they changed the gradient by, which tell what a curvature has missed (BFGS)."""


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

    def have_more(self, diagonal):
        """Take the changes of the gradient for those where the Hessian has this diagonal (p,) more."""
        pairs = self.pairs
        self.forget()
        for step, change, _ in pairs:
            self.add(step, change + diagonal * step)

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
