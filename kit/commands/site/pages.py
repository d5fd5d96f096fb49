"""Prints notebooks that have run as a static site: Sphinx, with MyST-NB and its book theme.

The site needs neither a network nor a script of the kit; the theme brings its own for the search
and for light and dark.
"""

import io
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.actionable import ActionableError
from kit.course.notebooks import Notebook
from kit.html import ENVIRONMENT

TITLE = "Crash Workshop"
STYLE = "site.css"
_TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
# Static HTML before the widget beside it, which nothing could press; MyST-NB's order else.
_HTML_FIRST = [
    ("html", "text/html", 1),
    ("html", "application/vnd.jupyter.widget-view+json", None),
]


class SiteError(ActionableError):
    """Why the site could not be made, and what to do."""


def check_sphinx() -> None:
    """Raise SiteError when the extra ``site`` is not installed."""
    if not all(map(find_spec, ("sphinx", "myst_nb", "sphinx_book_theme"))):
        raise SiteError('The site needs Sphinx. Next: pip install "crash-workshop[site]".')


def build_pages(course: Sequence[Notebook], source: Path, folder: Path) -> Path:
    """Print the notebooks in ``source``, those of ``course``, into ``folder``.

    Return its first page. Raises SiteError.
    """
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError

    index = ENVIRONMENT.get_template("site_index.md").render(course=course, title=TITLE)
    (source / "index.md").write_text(index, encoding="utf-8")
    static = source / "_static"
    static.mkdir(exist_ok=True)
    shutil.copyfile(_TEMPLATES / STYLE, static / STYLE)
    warnings = io.StringIO()
    try:
        app = Sphinx(
            srcdir=source,
            confdir=None,
            outdir=folder,
            doctreedir=source / "_doctrees",
            buildername="html",
            confoverrides=_settings(),
            status=None,
            warning=warnings,
        )
        app.build()
    except SphinxError as error:
        raise SiteError(f"Sphinx could not print the course: {error}") from error
    if said := warnings.getvalue().strip():
        raise SiteError(f"Sphinx could not print all of the course: {said}")
    return folder / "index.html"


def heading_anchor(title: str) -> str:
    """Return the anchor of a heading as JupyterLab makes it, so that links work in both."""
    return title.replace(" ", "-")


def _settings() -> dict[str, Any]:
    return {
        "project": TITLE,
        "html_title": TITLE,
        "extensions": ["myst_nb"],
        "exclude_patterns": ["_doctrees", "**.ipynb_checkpoints"],
        "html_theme": "sphinx_book_theme",
        "html_theme_options": {
            "show_toc_level": 2,
            "use_download_button": True,
            "use_fullscreen_button": False,
            # Without them it names an author who is not set.
            "footer_content_items": [],
        },
        "html_context": {"default_mode": "auto"},
        # A browser does not let a page that was opened from a file fetch another one.
        "html_show_search_summary": False,
        "html_static_path": ["_static"],
        "html_css_files": [STYLE],
        "html_show_sphinx": False,
        "html_show_copyright": False,
        "html_show_sourcelink": False,
        # Dollars are money here, not mathematics.
        "myst_enable_extensions": [],
        "myst_heading_anchors": 3,
        "myst_heading_slug_func": f"{__name__}.{heading_anchor.__name__}",
        "nb_execution_mode": "off",
        # They would come from the network.
        "nb_ipywidgets_js": {},
        "nb_mime_priority_overrides": _HTML_FIRST,
        "nb_merge_streams": True,
    }
