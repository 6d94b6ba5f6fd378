"""What several test files use: the losses by name, and small random problems."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from skce.losses import CrossEntropy, FocalLoss, GeneralizedCrossEntropy, Poly1Loss

LOSSES = {
    "cross_entropy": CrossEntropy(),
    "focal_0": FocalLoss(0),
    "focal_half": FocalLoss(0.5),
    "focal_2": FocalLoss(2.0),
    "focal_5": FocalLoss(5.0),
    "poly_1": Poly1Loss(1.0),
    "poly_-1": Poly1Loss(-1.0),
    "poly_3": Poly1Loss(3.0),
    "generalized_0.7": GeneralizedCrossEntropy(0.7),
    "generalized_1": GeneralizedCrossEntropy(1.0),
}


@pytest.fixture(params=LOSSES)
def loss_name(request):
    """The name of a loss, by which tests.reference knows its formula."""
    return request.param


@pytest.fixture
def loss(loss_name):
    return LOSSES[loss_name]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Peers' small products are many times slower on two BLAS threads of a busy machine."""
    with threadpool_limits(1):
        yield
