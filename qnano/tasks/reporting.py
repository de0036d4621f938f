"""How what came out of a task is told: the pages that its figures fill, and its tables."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from qnano.families.register import REFERENCES
from qnano.files import replacing
from qnano.storage.folder import RunFolder
from qnano.style import STYLE, print_png

MARGIN = 0.012  # of a page


def page(folder: RunFolder, name: str, make: Callable[[], Figure], title: str, margin: float = MARGIN) -> list[Path]:
    """Draw the one figure that `make` returns; the path of its file."""
    return pages(folder, ((name, make()) for _ in range(1)), title, margin)


def pages(folder: RunFolder, figures: Iterable[tuple[str, Figure]], title: str | None, margin: float = MARGIN) -> list[Path]:
    """Draw figures by name as they are made, in the style of all, under a title unless they have one of their own; their paths."""
    paths = []
    with mpl.rc_context(STYLE):
        for name, figure in figures:
            if title is not None:
                figure.suptitle(title, x=margin, ha="left", fontsize=13, fontweight="bold")
            paths.append(folder.figures / f"{name}.png")
            with replacing(paths[-1]) as file:
                print_png(figure, file)
    return paths


def headline(summary: dict[str, Any]) -> str:
    """The title of the first table."""
    return f"{summary['name']} {summary['id']}: {summary['state']} on {summary['device']}"


def table(title: str, headings: Iterable[str], left: Collection[str] = (), *, bold: bool = True) -> Table:
    """An empty table whose columns are as wide as what is in them, numbers to the right, those named `left` to the left."""
    made = framed(title, bold=bold)
    for heading in headings:
        made.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    return made


def framed(title: str, *, bold: bool = False, **more: Any) -> Table:
    """A table without columns, wide enough for its title, which would break in the middle of a word."""
    style = {"title_style": "bold"} if bold else {}
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), min_width=len(title), **style, **more)


def exact_label(summary: dict[str, Any]) -> str | None:
    """The method that the others are measured against: the first exact or fine one, if there is one."""
    return next((label for label, method in summary["methods"].items() if method["kind"] in REFERENCES), None)
