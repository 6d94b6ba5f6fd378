"""The session of the guide's page runs, where PyTorch is installed, and prints what it says."""

import doctest
import re
from pathlib import Path

import pytest
import sklearn

from tests.array_api.conftest import LIBRARIES


@pytest.mark.skipif("torch" not in LIBRARIES, reason="PyTorch is not installed")
def test_the_guide():
    page = Path(__file__).parents[2] / "docs" / "guide" / "gpu.md"
    (code,) = re.findall(r"^```pycon\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    session = doctest.DocTestParser().get_doctest(code, {"__name__": "__main__"}, page.name, page.name, 0)
    report = []
    with sklearn.config_context():
        results = doctest.DocTestRunner(verbose=False).run(session, out=report.append)
    assert results.attempted > 0
    assert not results.failed, "".join(report)
