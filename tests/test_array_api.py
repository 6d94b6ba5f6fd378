"""Arrays of other libraries, in a Python of its own: scikit-learn takes them if a switch was set before its import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.problems import SKLEARN_VERSION

TESTS = Path(__file__).parent


@pytest.mark.skipif(SKLEARN_VERSION < (1, 9), reason="needs scikit-learn 1.9")
@pytest.mark.skipif(bool(os.environ.get("SCIPY_ARRAY_API")), reason="they run here")
@pytest.mark.slow
def test_with_the_switch_set():
    where = [str(TESTS / "array_api"), str(TESTS / "rows" / "test_contract.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *where]
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout
