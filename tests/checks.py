"""What scikit-learn's checks of an estimator have to come to."""

import os
from collections import Counter

# What a check says that it skips itself for: a library, or a device, that is not at hand. Those of NumPy and of
# array_api_strict, and those of PyTorch on the CPU where it is installed, do not.
ABSENT = (
    "cupy is not installed",
    "torch is not installed",
    "dpnp is not installed",
    "PyTorch test requires cuda, which is not available",
    "no XPU device is available",
    "PYTORCH_ENABLE_MPS_FALLBACK is not set",
)


def assert_all_passed(results, n_least=60):
    """That all checks have passed, but for arrays of libraries, and on devices, that are not here."""
    skipped = [result for result in results if result["status"] == "skipped"]
    reasons = ABSENT if os.environ.get("SCIPY_ARRAY_API") else (*ABSENT, "SCIPY_ARRAY_API is not set")
    for result in skipped:
        assert result["check_name"].startswith("check_array_api_")
        assert any(reason in str(result["exception"]) for reason in reasons)
    n_passed = Counter(result["status"] for result in results)["passed"]
    assert n_passed == len(results) - len(skipped) > n_least
