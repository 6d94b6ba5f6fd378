"""Leave-one-out along a path: how many rows are left as the closed form has them."""

import numpy as np

from skce._solver.left_out_path import _Value

# What may be missed of each of twenty other rows.
NEAR = np.full(20, 0.99)


def n_kept(rises, missed, others):
    none = np.zeros(0)
    value = _Value(None, none.astype(int), none, most=1.0)
    return value._n_kept(np.array(rises), np.array(missed), np.array(others))


def test_rows_of_which_as_much_may_be_missed_as_of_others_are_kept_while_that_does_not_matter():
    # A tenth of what may be missed is: of the 1 that may be of rows that are near, and of nine of these, 0.99.
    assert n_kept([0.2, 0.2, 0.2], [2.0, 2.0, 2.0], NEAR) == 9
    assert n_kept([-0.2, -0.2, -0.2], [2.0, 2.0, 2.0], NEAR) == 9
    assert n_kept([2.0, 2.0, 2.0], [2.0, 2.0, 2.0], NEAR) == 0


def test_shares_that_differ_tell_less():
    assert n_kept([0.1, 0.3, 0.2], [2.0, 2.0, 2.0], NEAR) < 9
    assert n_kept([0.4, -0.4, 0.4, -0.4], [2.0] * 4, NEAR) < 3
    assert n_kept([0.01, -0.01, 0.01, -0.01], [2.0] * 4, NEAR) == 20


def test_one_row_tells_its_share_alone():
    assert n_kept([0.2], [2.0], NEAR) == 9
