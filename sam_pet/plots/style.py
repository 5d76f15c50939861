"""Colours and type of all figures, and figures as bytes: the same figure gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

# Okabe and Ito 2008, jfly.uni-koeln.de/color, but the yellow that is lost on white.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = "osD^vP*X<>hd"
_DASHES = ("-", "--", ":", "-.")
STYLE: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "sam-pet"}


def line_style(number: int) -> dict[str, Any]:
    """How the curve of a number is drawn, in every figure: told apart by colour, marker and dash, and by any eye."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "linestyle": _DASHES[number // len(COLOURS) % len(_DASHES)],
    }


def svg(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes each time.

    Examples:
        >>> from sam_pet import plots
        >>> b"<svg" in plots.svg(plots.dice_curves({"sam-pet": [0.7, 0.8]}))
        True
    """
    return _bytes(figure, "svg", {"Date": None}, bbox_inches="tight")


def png(figure: Figure, dpi: float = 110) -> bytes:
    """The figure as PNG, the same bytes each time.

    Examples:
        >>> from sam_pet import plots
        >>> plots.png(plots.dice_curves({"sam-pet": [0.7, 0.8]}))[1:4]
        b'PNG'
    """
    return _bytes(figure, "png", {"Software": None}, dpi=dpi)


def pdf(figure: Figure, title: str) -> bytes:
    """The figure as one page of its size, without a date.

    Examples:
        >>> from sam_pet import plots
        >>> plots.pdf(plots.dice_curves({"sam-pet": [0.7, 0.8]}), "A curve")[:4]
        b'%PDF'
    """
    return _bytes(figure, "pdf", {"Title": title, "Creator": "sam_pet", "CreationDate": None}, dpi=200)


def pdf_pages(figures: Sequence[Figure], title: str) -> bytes:
    """Figures as the pages of one file, without a date."""
    stream = io.BytesIO()
    metadata: Any = {"Title": title, "Creator": "sam_pet", "CreationDate": None}
    with PdfPages(stream, metadata=metadata) as pages:
        for figure in figures:
            pages.savefig(figure, dpi=200)
    return stream.getvalue()


def _bytes(figure: Figure, kind: str, metadata: dict[str, str | None], **options: Any) -> bytes:
    stream = io.BytesIO()
    with mpl.rc_context(STYLE):
        _settle(figure)
        figure.savefig(stream, format=kind, metadata=metadata, **options)
    return stream.getvalue()


def _settle(figure: Figure) -> None:
    """Lay a figure out for good, but for the last digits, in which the solver differs from one time to the next."""
    solver = figure.get_layout_engine()
    if solver is None:
        return
    solver.execute(figure)
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
    for axes in figure.axes:
        axes.set_position(Bbox(axes.get_position(original=True).get_points().round(6)), which="original")
