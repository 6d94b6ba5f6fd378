"""The mathematics in plain Python loops, written from the formulas alone; shares no code with skce."""

import math


def softmax(logits):
    largest = max(logits)
    exponentials = [math.exp(z - largest) for z in logits]
    return [e / sum(exponentials) for e in exponentials]


PHI = {
    "cross_entropy": lambda q: -math.log(q),
    "focal_0": lambda q: -math.log(q),
    "focal_half": lambda q: -((1 - q) ** 0.5) * math.log(q),
    "focal_2": lambda q: -((1 - q) ** 2) * math.log(q),
    "focal_5": lambda q: -((1 - q) ** 5) * math.log(q),
    "poly_1": lambda q: -math.log(q) + (1 - q),
    "poly_-1": lambda q: -math.log(q) - (1 - q),
    "poly_3": lambda q: -math.log(q) + 3 * (1 - q),
    "generalized_0.7": lambda q: (1 - q**0.7) / 0.7,
    "generalized_1": lambda q: 1 - q,
}


def one_hot(code, n_classes):
    return [1.0 if k == code else 0.0 for k in range(n_classes)]


def softmax_targets(distributions, sample_weight, class_weight, smoothing):
    """T_i = s_i [ (1 - eps) (w * y_i) + (eps / K) (w . y_i) 1 ], rows first."""
    targets = []
    for y, s in zip(distributions, sample_weight, strict=True):
        weighted = [w * p for w, p in zip(class_weight, y, strict=True)]
        even_share = sum(weighted) / len(weighted)
        targets.append([s * ((1 - smoothing) * v + smoothing * even_share) for v in weighted])
    return targets


def sigmoid_targets(weights_for, weights_against, smoothing):
    """Pairs (for, against), each row of each column smoothed over its two outcomes."""
    pairs = []
    for row_for, row_against in zip(weights_for, weights_against, strict=True):
        pairs.append([])
        for f, a in zip(row_for, row_against, strict=True):
            mass = f + a
            pairs[-1].append(((1 - smoothing) * f + smoothing / 2 * mass, (1 - smoothing) * a + smoothing / 2 * mass))
    return pairs


def logits_of(x, coef, intercept):
    return [sum(c * v for c, v in zip(row, x, strict=True)) + b for row, b in zip(coef, intercept, strict=True)]


def penalty(coef, C, total):
    return sum(c * c for row in coef for c in row) / (2 * C * total)


def softmax_objective(X, targets, phi, coef, intercept, C):
    total = sum(t for row in targets for t in row)
    value = 0.0
    for x, row in zip(X, targets, strict=True):
        q = softmax(logits_of(x, coef, intercept))
        value += sum(t * phi(p) for t, p in zip(row, q, strict=True) if t)
    return value / total + penalty(coef, C, total)


def sigmoid_objective(X, pairs, total, phi, coef, intercept, C):
    value = 0.0
    for x, row in zip(X, pairs, strict=True):
        for (t_for, t_against), z in zip(row, logits_of(x, coef, intercept), strict=True):
            p = 1 / (1 + math.exp(-z))
            value += t_for * phi(p) + t_against * phi(1 - p)
    return value / total + penalty(coef, C, total)


def log_sum_exp(logits):
    largest = max(logits)
    return largest + math.log(math.fsum(math.exp(z - largest) for z in logits))


def moments_of_step(logits, step):
    """Mean and variance of a step of the logits, by the probabilities of these."""
    q = softmax(logits)
    mean = math.fsum(p * s for p, s in zip(q, step, strict=True))
    return mean, math.fsum(p * (s - mean) ** 2 for p, s in zip(q, step, strict=True))


def growth(logits, step):
    """By how much a step of the logits raises log sum exp."""
    return log_sum_exp([z + s for z, s in zip(logits, step, strict=True)]) - log_sum_exp(logits)


def divergence(p, q):
    """KL(p, q)."""
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a)


def softmaxes_of_row(targets, logits, step):
    """Targets, logits and step of each softmax of a row: of T (k,) one, of T (2, k) one over (z, 0) a logit."""
    if targets.ndim == 1:
        return [(targets.tolist(), logits.tolist(), step.tolist())]
    return [(t, [z, 0.0], [s, 0.0]) for t, z, s in zip(targets.T.tolist(), logits.tolist(), step.tolist(), strict=True)]
