"""The code of the page on neighbours runs and prints what it says."""

import pytest

from tests.documents.test_documents import test_the_code_in_a_document_runs_and_prints_what_it_says as run_page

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::PendingDeprecationWarning"
)

run_page.__test__ = False


def test_the_page_says_what_happens(monkeypatch):
    for library in ("crepes", "imblearn", "mapie", "onnxruntime", "shap", "skl2onnx", "skops"):
        pytest.importorskip(library)
    run_page("docs/guide/neighbours.md", monkeypatch)
