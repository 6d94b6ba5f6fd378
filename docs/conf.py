"""Sphinx: pages in MyST Markdown, the API from docstrings, the examples run and drawn. Builds without a connection.

MNIST is too large to fetch for a build: the example on it is run where the environment variable SKCE_MNIST names the
folder of its files, and shown without its output elsewhere. That on Dask, which writes more than a gigabyte, always is.
"""

import os

import matplotlib as mpl

import skce

project = "skce"
author = "the skce developers"
release = version = skce.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
suppress_warnings = ["config.cache"]  # the configuration of the gallery holds a function

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
highlight_language = "none"
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
autodoc_mock_imports = ["skl2onnx"]  # whose converters skce.onnx registers
numpydoc_show_class_members = False
copybutton_prompt_text = ">>> "
copybutton_only_copy_prompt_lines = False

html_theme = "pydata_sphinx_theme"
html_title = "skce"
html_theme_options = {
    "logo": {"text": "skce"},
    "show_toc_level": 2,
    "navigation_with_keys": False,
    # Elsewhere tables and code need the width.
    "secondary_sidebar_items": {page: ["page-toc"] for page in ("mathematics", "api/index", "api/generated/*")},
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"get-started": [], "mathematics": [], "own-loss": [], "benchmarks": [], "stability": [], "changes": []}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sourcelink = False
copyright = "the skce developers, BSD-3-Clause"

mpl.rcParams["savefig.dpi"] = 100
mnist = os.environ.get("SKCE_MNIST")


def arguments_of_example(gallery_conf, script_vars):
    """The command line of an example: where MNIST is."""
    return ["--data", mnist] if mnist and "mnist" in script_vars["src_file"] else []


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_(0\d|10|12|13)_" if mnist else r"plot_(0\d|12|13)_",
    "within_subsection_order": "FileNameSortKey",
    "reset_argv": arguments_of_example,
    "doc_module": ("skce",),
    "reference_url": {"skce": None},
    "backreferences_dir": "api/backreferences",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
}
