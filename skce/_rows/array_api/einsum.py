"""Sums of products of two arrays, by their subscripts: einsum, which the standard has not, by products of matrices."""


def einsum(xp, subscripts, *arrays):
    """The sums that ``subscripts`` ask for of two arrays; None where that is not of two, or not in distinct letters."""
    inputs, _, output = subscripts.partition("->")
    inputs = inputs.split(",")
    if len(arrays) != 2 or any(len(set(letters)) < len(letters) for letters in (*inputs, output)):
        return None
    left, right = inputs
    both = [letter for letter in left if letter in right]
    batch = [letter for letter in both if letter in output]
    contracted = [letter for letter in both if letter not in output]
    of_left = [letter for letter in left if letter not in right]
    of_right = [letter for letter in right if letter not in left]
    if any(letter not in output for letter in of_left + of_right):
        return None
    length = dict(zip(left + right, tuple(arrays[0].shape) + tuple(arrays[1].shape), strict=True))
    first = _ordered(xp, arrays[0], left, batch + of_left + contracted)
    second = _ordered(xp, arrays[1], right, batch + contracted + of_right)
    if not of_left and not of_right:
        # Elementwise products, which are no matrices.
        second = _ordered(xp, arrays[1], right, batch + contracted)
        products = first * second
        axes = tuple(range(len(batch), len(batch) + len(contracted)))
        result = xp.sum(products, axis=axes, dtype=products.dtype) if axes else products
    else:
        result = _product(
            xp, first, second, *([length[letter] for letter in part] for part in (batch, of_left, contracted, of_right))
        )
    return _ordered(xp, result, batch + of_left + of_right, list(output))


def _product(xp, first, second, batch, of_left, contracted, of_right):
    """Products of matrices (..., l, c) and (..., c, r), whose axes have these lengths."""

    def n(lengths):
        count = 1
        for length in lengths:
            count *= length
        return count

    first = xp.reshape(first, (*batch, n(of_left), n(contracted)))
    second = xp.reshape(second, (*batch, n(contracted), n(of_right)))
    return xp.reshape(xp.matmul(first, second), (*batch, *of_left, *of_right))


def _ordered(xp, array, letters, order):
    """An array with its axes, named by letters, in another order."""
    return xp.permute_dims(array, tuple(list(letters).index(letter) for letter in order))
