"""The check of built pages finds what is wrong with them, and nothing where nothing is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CHECK = Path(__file__).parents[2] / "docs" / "check_html.py"
GOOD = '<main><h1 id="top">Good</h1><a href="#top">up</a> <a href="https://elsewhere.org">may be linked</a></main>'
needs_chromium = pytest.mark.skipif(
    not any(map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), reason="there is no Chromium here"
)


def check(folder, body, without_browser=False):
    """What the check says of a good page and of one with this body."""
    (folder / "good.html").write_text(f"<!doctype html>{GOOD}", "utf-8")
    (folder / "page.html").write_text(f"<!doctype html><main>{body}</main>", "utf-8")
    environment = {"PATH": "/nowhere"} if without_browser else None
    return subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="missing.html">x</a>', "page.html: no file for missing.html"),
        ('<a href="good.html#nowhere">x</a>', "page.html: no anchor for good.html#nowhere"),
        ('<a href="#nowhere">x</a>', "page.html: no anchor for #nowhere"),
        ('<img src="missing.png">', "page.html: no file for missing.png"),
        ('<script src="https://elsewhere.org/x.js"></script>', "page.html: asks for https://elsewhere.org/x.js"),
        ('<link rel="stylesheet" href="//elsewhere.org/x.css">', "page.html: asks for //elsewhere.org/x.css"),
    ],
)
def test_links_and_hosts(tmp_path, body, said):
    result = check(tmp_path, body, without_browser=True)
    assert result.returncode == 1
    assert said in result.stdout
    assert "No Chromium here" in result.stdout
    assert "good.html:" not in result.stdout


def test_good_pages_pass_and_no_pages_do_not(tmp_path):
    result = check(tmp_path, GOOD, without_browser=True)
    assert result.returncode == 0, result.stdout
    assert "2 pages, nothing wrong" in result.stdout
    nothing = subprocess.run([sys.executable, CHECK, tmp_path / "none"], capture_output=True, check=False)
    assert nothing.returncode == 1


@needs_chromium
def test_what_does_not_fit_a_screen(tmp_path):
    result = check(
        tmp_path,
        f'<div style="width: 700px">wide</div>'
        f'<div style="width: 90px; overflow: hidden; white-space: nowrap">{30 * "cut "}</div>'
        f'<table style="width: 60px; table-layout: fixed"><tr><td style="overflow-wrap: anywhere">{"x" * 30}</table>',
    )
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert any(line.startswith("page.html, 420 px: wider than the page: div: wide") for line in lines), lines
    assert not any(line.startswith("page.html, 1000 px: wider") for line in lines)
    for width in (420, 1000, 1400):
        assert any(line.startswith(f"page.html, {width} px: cut off: div: cut cut") for line in lines)
        assert f"page.html, {width} px: broken: {'x' * 30}" in lines
    assert "good.html" not in result.stdout
