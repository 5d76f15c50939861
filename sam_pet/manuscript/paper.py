"""The draft on pages of A4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure as Page

from sam_pet.manuscript.claim import SECTIONS, run_in
from sam_pet.manuscript.draft import Draft, Figure, Missing, ShownTable
from sam_pet.manuscript.facts import Sentence
from sam_pet.manuscript.markdown import claim_table, intro, source_table
from sam_pet.manuscript.typeset import MISSING_COLOUR, Sheet, Word
from sam_pet.page import Cell, Table
from sam_pet.plots.style import pdf_pages

_TEXT, _SMALL, _HEAD, _TITLE = 9.0, 7.5, 12.0, 16.0
_SOURCE_CHARACTERS = 90


def paper(draft: Draft) -> bytes:
    """The draft as PDF; the same draft gives the same bytes."""
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        return pdf_pages(_pages(draft), draft.title.text)


def _pages(draft: Draft) -> Sequence[Page]:
    sheet = Sheet()
    numbers = {key: number for number, key in enumerate(draft.sources, 1)}
    sheet.paragraph(_words(draft.title, numbers, bold=True), _TITLE)
    for line in intro():
        sheet.paragraph([Word(word) for word in line.split()], _SMALL)
    tables = pictures = 0
    for section, items in SECTIONS.items():
        sheet.heading(section, _HEAD)
        for item in items:
            contents = draft.of(item)
            sheet.paragraph([*_run_in(item), *_said(contents, numbers)], _TEXT)
            for content in contents:
                if isinstance(content, ShownTable):
                    tables += 1
                    _table(sheet, f"Table {tables}.", content, numbers)
                elif isinstance(content, Figure):
                    pictures += 1
                    sheet.picture(content.png)
                    sheet.paragraph([Word(f"Figure {pictures}.", bold=True), *_words(content.caption, numbers)], _SMALL)
    sheet.heading("Checklist", _HEAD)
    sheet.table(claim_table(draft), _SMALL)
    if draft.appendix:
        sheet.heading("Appendix", _HEAD)
    for number, shown in enumerate(draft.appendix, 1):
        _table(sheet, f"Table A{number}.", shown, numbers)
    sheet.heading("Sources", _HEAD)
    rows = [[Cell(_cut(text)) for text in row] for row in source_table(draft)]
    sheet.table(Table(["no.", "file", "key", "value"], rows), _SMALL)
    return sheet.finished()


def _table(sheet: Sheet, name: str, shown: ShownTable, numbers: dict[str, int]) -> None:
    sheet.paragraph([Word(name, bold=True), *_words(shown.caption, numbers)], _SMALL, keep=True)
    sheet.table(shown.table, _SMALL)


def _run_in(item: int) -> list[Word]:
    return [Word(word, bold=True) for word in f"{run_in(item)}".split()]


def _said(contents: Sequence[object], numbers: dict[str, int]) -> Iterator[Word]:
    for content in contents:
        if isinstance(content, Missing):
            yield from (Word(word, bold=True, colour=MISSING_COLOUR) for word in content.text.split())
        elif isinstance(content, Sentence):
            yield from _words(content, numbers)


def _words(sentence: Sentence, numbers: dict[str, int], bold: bool = False) -> list[Word]:
    """The words of a sentence, and after them the numbers of its sources."""
    found = [Word(word, bold) for word in sentence.text.split()]
    return [*found, Word(_ranges(numbers[key] for key in sentence.keys), raised=True)]


def _ranges(numbers: Iterable[int]) -> str:
    """Numbers with commas; three or more in a row as the first and the last."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SOURCE_CHARACTERS else f"{text[: _SOURCE_CHARACTERS - 4]} ..."
