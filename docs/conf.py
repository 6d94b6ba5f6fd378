"""Sphinx: pages in MyST Markdown, the API from docstrings, the examples run and drawn. Builds without a connection.

MNIST is too large to fetch for a build, and the example on Dask writes more than a gigabyte: both are shown with what
they drew when they were run.
"""

import re
import sys
from pathlib import Path

import matplotlib as mpl
from docutils import nodes
from PIL import Image

import skce

sys.path.insert(0, str(Path(__file__).parent))
import benchmark_figure

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
    "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "auto_examples/index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"get-started": [], "mathematics": [], "own-loss": [], "benchmarks": [], "stability": [], "changes": []}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sourcelink = False
copyright = "the skce developers, BSD-3-Clause"

mpl.rcParams["savefig.dpi"] = 100

# What each display draws in an example, for its page of the API.
autosummary_context = {
    "pictures": {
        "skce.display.CoefficientDisplay": "plot_12_coefficients_001",
        "skce.display.ConvergenceDisplay": "plot_02_first_fit_001",
        "skce.display.InfluenceDisplay": "plot_12_coefficients_002",
        "skce.display.LossDisplay": "plot_01_loss_curves_001",
        "skce.display.PathDisplay": "plot_13_choosing_c_001",
        "skce.display.ReliabilityDisplay": "plot_04_posterior_001",
    }
}


def arguments_of_example(gallery_conf, script_vars):
    """The command line of an example, which saves its figure nowhere: the gallery does."""
    return ["--save", ""] if "plot_00" in script_vars["src_file"] else []


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_(0\d|12|13)_",
    "within_subsection_order": "FileNameSortKey",
    "reset_argv": arguments_of_example,
    "doc_module": ("skce",),
    "reference_url": {"skce": None},
    "backreferences_dir": "api/backreferences",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,  # a page that asks another host for its table
}

# The panel of a figure that can be read on a card: what is left of it, above, to the right and below, as shares.
PANELS = {
    "auto_examples/images/sphx_glr_plot_00_first_minute_001.png": (0.0, 0.0, 0.375, 1.0),
    "auto_examples/images/sphx_glr_plot_01_loss_curves_001.png": (0.66, 0.0, 1.0, 1.0),
    "auto_examples/images/sphx_glr_plot_03_imbalance_001.png": (0.0, 0.0, 0.385, 1.0),
    "auto_examples/images/sphx_glr_plot_04_posterior_001.png": (0.34, 0.0, 0.67, 0.72),
    "auto_examples/images/sphx_glr_plot_05_label_noise_001.png": (0.51, 0.0, 1.0, 1.0),
    "auto_examples/images/sphx_glr_plot_06_soft_labels_001.png": (0.0, 0.0, 0.515, 1.0),
    "auto_examples/images/sphx_glr_plot_07_multilabel_001.png": (0.44, 0.0, 0.66, 0.92),
    "auto_examples/images/sphx_glr_plot_08_one_vs_all_001.png": (0.0, 0.04, 0.51, 1.0),
    "auto_examples/images/sphx_glr_plot_09_iris_001.png": (0.0, 0.0, 0.52, 1.0),
    "auto_examples/images/sphx_glr_plot_12_coefficients_001.png": (0.0, 0.0, 0.505, 1.0),
    "images/plot_10_mnist.png": (0.0, 0.05, 0.51, 0.38),
    "images/plot_11_dask.png": (0.5, 0.0, 1.0, 1.0),
}
CARD = (400, 280)


def draw_cards(app):
    """Make one panel of each figure of several the card of its example, on white."""
    here = Path(app.srcdir)
    for source, (left, top, right, bottom) in PANELS.items():
        image = Image.open(here / source).convert("RGB")
        box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        panel = image.crop(tuple(map(round, box)))
        panel.thumbnail(CARD)
        card = Image.new("RGB", CARD, "white")
        card.paste(panel, ((CARD[0] - panel.width) // 2, (CARD[1] - panel.height) // 2))
        name = re.search(r"plot_\d\d_[a-z_]+[a-z]", source)[0]
        card.save(here / "auto_examples" / "images" / "thumb" / f"sphx_glr_{name}_thumb.png")


def draw_benchmarks(app):
    """Draw the figure of the page on benchmarks from its table."""
    here = Path(app.srcdir)
    benchmark_figure.draw(here / "benchmarks.md", here / "images" / "benchmarks.png")


MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
NUMBER = re.compile(rf"[-+{MINUS}±<~]?\s*\d[\d.,e{TIMES}\s{MINUS}-]*(%|s|ms|ns|MB|GB)?")


def keep_numbers_whole(app, doctree, docname):
    """Mark the cells of tables that are a number, with its unit, which must not be broken."""
    for entry in doctree.findall(nodes.entry):
        if NUMBER.fullmatch(entry.astext().strip()):
            entry["classes"].append("number")


def let_long_names_wrap(app, doctree, docname):
    """Let the titles of the API's pages be broken between the words of a name, as long ones are on a phone."""
    if docname.startswith("api/generated/"):
        for title in doctree.findall(nodes.title):
            for text in list(title.findall(nodes.Text)):
                words = re.sub(r"(?<=_)|(?<=[a-z])(?=[A-Z])", "\N{ZERO WIDTH SPACE}", text)
                text.parent.replace(text, nodes.Text(words))


def setup(app):
    """What the pages have beyond Sphinx's extensions."""
    app.connect("builder-inited", draw_benchmarks)
    app.connect("builder-inited", draw_cards, priority=900)  # after the gallery
    app.connect("doctree-resolved", keep_numbers_whole)
    app.connect("doctree-resolved", let_long_names_wrap)
