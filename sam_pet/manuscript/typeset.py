"""Text, tables and pictures set on pages of A4."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import matplotlib.image
import matplotlib.lines
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from sam_pet.manuscript.draft import numeric_columns
from sam_pet.page import Table

MISSING_COLOUR = "#B00020"
_WIDTH, _HEIGHT, _MARGIN = 595.0, 842.0, 50.0
_ROOM = _WIDTH - 2 * _MARGIN
_LEADING, _GAP = 1.35, 5.0
_LEAST = 3.5
_PICTURE = 260.0
_RAISED = 0.65
_REFERENCE = 100.0


@dataclass(frozen=True)
class Word:
    """A word as it is set; a raised one is a number of a source, and stands close to the word before."""

    text: str
    bold: bool = False
    raised: bool = False
    colour: str = "black"


class Sheet:
    """Pages that fill from the top; lengths are points."""

    def __init__(self) -> None:
        self._pages: list[Figure] = []
        self._left = 0.0

    def paragraph(self, words: Sequence[Word], size: float, keep: bool = False) -> None:
        """Words in lines.

        Args:
            words: in order.
            size: of the type.
            keep: with what follows: a little of it must have room on the page, too.
        """
        lines = _lines(words, size)
        if keep:
            self._require(len(lines) * size * _LEADING + 8 * size)
        for line in lines:
            y = self._take(size * _LEADING)
            for x, word in line:
                self._text(x, y + (0.35 * size if word.raised else 0), word, size * (_RAISED if word.raised else 1))
        self._left -= _GAP

    def heading(self, text: str, size: float) -> None:
        self._require(6 * size)
        self._left -= _GAP
        self.paragraph([Word(word, bold=True) for word in text.split()], size)

    def table(self, table: Table, size: float) -> None:
        """A table over as many pages as it takes, in type as small as its width asks for."""
        rows = [[cell.text for cell in row] for row in table.rows]
        columns, right = list(table.columns), numeric_columns(table)
        widths = [max([_width(columns[i], size, True), *(_width(row[i], size) for row in rows)], default=0.0)
                  for i in range(len(columns))]  # fmt: skip
        room = _ROOM - 0.8 * size * len(columns)
        scale = max(min(1.0, room / max(sum(widths), 1.0)), _LEAST / size)
        size *= scale
        widths = [width * scale + 0.8 * size for width in widths]
        self._require(4 * size * _LEADING)
        self._row(columns, widths, size, right, bold=True)
        for row in rows:
            if self._left < _MARGIN + size * _LEADING:
                self._new_page()
                self._row(columns, widths, size, right, bold=True)
            self._row(row, widths, size, right)
        self._left -= 2 * _GAP

    def picture(self, png: bytes) -> None:
        """A picture as wide as the text, or as high as a third of the page."""
        image = matplotlib.image.imread(io.BytesIO(png))
        height, width = image.shape[:2]
        scale = min(_ROOM / width, _PICTURE / height)
        self._require(height * scale + 3 * _GAP)
        y = self._take(height * scale)
        axes = self._pages[-1].add_axes(
            (_MARGIN / _WIDTH, y / _HEIGHT, width * scale / _WIDTH, height * scale / _HEIGHT)
        )
        axes.imshow(image, aspect="auto", interpolation="antialiased")
        axes.set_axis_off()
        self._left -= _GAP

    def finished(self) -> list[Figure]:
        """The pages, with their numbers."""
        for number, page in enumerate(self._pages, 1):
            page.text(0.5, 25 / _HEIGHT, f"{number} of {len(self._pages)}", ha="center", fontsize=7)
        return self._pages

    def _row(
        self, cells: Sequence[str], widths: Sequence[float], size: float, right: Sequence[bool], bold: bool = False
    ) -> None:
        y = self._take(size * _LEADING)
        x = _MARGIN
        for text, width, numeric in zip(cells, widths, right, strict=True):
            at = x + width - 0.8 * size - _width(text, size, bold) if numeric else x
            self._text(at, y, Word(text, bold), size)
            x += width
        if bold:
            line = (y - 0.3 * size) / _HEIGHT
            self._pages[-1].add_artist(
                matplotlib.lines.Line2D([_MARGIN / _WIDTH, x / _WIDTH], [line, line], color="0.4", linewidth=0.5)
            )

    def _text(self, x: float, y: float, word: Word, size: float) -> None:
        weight = "bold" if word.bold else "normal"
        self._pages[-1].text(x / _WIDTH, y / _HEIGHT, word.text, fontsize=size, weight=weight, color=word.colour,
                             parse_math=False)  # fmt: skip

    def _take(self, height: float) -> float:
        """Room for something so high; returns where its foot is."""
        if not self._pages or self._left - height < _MARGIN:
            self._new_page()
        self._left -= height
        return self._left

    def _require(self, height: float) -> None:
        if self._pages and self._left - height < _MARGIN:
            self._new_page()

    def _new_page(self) -> None:
        self._pages.append(Figure(figsize=(_WIDTH / 72, _HEIGHT / 72)))
        self._left = _HEIGHT - _MARGIN


def _lines(words: Sequence[Word], size: float) -> list[list[tuple[float, Word]]]:
    """Lines of words, each with the place where it begins; a raised one never begins a line."""
    lines: list[list[tuple[float, Word]]] = [[]]
    x = _MARGIN
    for n, word in enumerate(words):
        width = _set_width(word, size)
        follower = words[n + 1] if n + 1 < len(words) and words[n + 1].raised else None
        whole = width + (0.0 if follower is None else _set_width(follower, size))
        gap = 0.0 if word.raised or not lines[-1] else 0.32 * size
        if lines[-1] and not word.raised and x + gap + whole > _WIDTH - _MARGIN:
            lines.append([])
            x, gap = _MARGIN, 0.0
        lines[-1].append((x + gap, word))
        x += gap + width
    return lines


def _set_width(word: Word, size: float) -> float:
    return _width(word.text, size * (_RAISED if word.raised else 1), word.bold)


@cache
def _unit_width(text: str, bold: bool) -> float:
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    font.set_size(_REFERENCE, 72)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / _REFERENCE


def _width(text: str, size: float, bold: bool = False) -> float:
    return _unit_width(text, bold) * size
