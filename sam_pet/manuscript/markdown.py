"""The draft as Markdown: each sentence with footnotes that say where its values stand."""

from __future__ import annotations

from collections.abc import Iterator

from sam_pet.manuscript.claim import CLAIM, SECTIONS, run_in
from sam_pet.manuscript.draft import Draft, Figure, Missing, ShownTable, numeric_columns
from sam_pet.manuscript.facts import Sentence
from sam_pet.page import Cell, Table


def markdown(draft: Draft, figures: dict[int, str]) -> str:
    """The text.

    Args:
        draft: what it says.
        figures: names of the files of the pictures, by the number of the figure.
    """
    return "\n".join([*_lines(draft, figures), ""])


def intro() -> list[str]:
    """What a reader must know of the draft before it."""
    return [
        "A draft made from the records of a run, and of nothing else. Each sentence names the values that it is made "
        "of; they stand under Sources. What a paper should tell and the run does not is marked [Missing]. "
        f"Its order is that of {CLAIM}; numbers in brackets are the checklist's."
    ]


def claim_table(draft: Draft) -> Table:
    """Each item of the checklist, and where it is answered."""

    rows = [
        [Cell(str(item)), Cell(title), Cell(draft.status(item)), Cell(section)]
        for section, items in SECTIONS.items()
        for item, title in items.items()
    ]
    return Table(["item", "about", "status", "where"], rows)


def source_table(draft: Draft) -> list[tuple[str, str, str, str]]:
    """Number, file, key and value of each fact that is said."""
    facts = [draft.facts[key] for key in draft.sources]
    return [(str(n), fact.source, fact.key, str(fact.value)) for n, fact in enumerate(facts, 1)]


def _lines(draft: Draft, figures: dict[int, str]) -> Iterator[str]:
    numbers = {key: number for number, key in enumerate(draft.sources, 1)}
    tables, pictures = 0, 0
    yield f"# {_cited(draft.title, numbers)}"
    for line in intro():
        yield from ("", line)
    for section, items in SECTIONS.items():
        yield from ("", f"## {section}")
        for item in items:
            contents = draft.of(item)
            said = [c for c in contents if isinstance(c, Sentence | Missing)]
            texts = [f"**{c.text}**" if isinstance(c, Missing) else _cited(c, numbers) for c in said]
            yield from ("", f"**{run_in(item)}** {' '.join(texts)}")
            for content in contents:
                if isinstance(content, ShownTable):
                    tables += 1
                    yield from ("", f"Table {tables}. {_cited(content.caption, numbers)}", "", *_table(content.table))
                elif isinstance(content, Figure):
                    pictures += 1
                    yield from ("", f"![Figure {pictures}]({figures[pictures]})")
                    yield from ("", f"Figure {pictures}. {_cited(content.caption, numbers)}")
    yield from ("", "## Checklist", "", *_table(claim_table(draft)))
    if draft.appendix:
        yield from ("", "## Appendix")
    for number, appended in enumerate(draft.appendix, 1):
        yield from ("", f"Table A{number}. {_cited(appended.caption, numbers)}", "", *_table(appended.table))
    yield from ("", "## Sources")
    for place, source, key, value in source_table(draft):
        yield from ("", f"[^{place}]: {_escaped(source)}: `{key}` = {_escaped(value)}")


def _cited(sentence: Sentence, numbers: dict[str, int]) -> str:
    return _escaped(sentence.text) + "".join(f"[^{numbers[key]}]" for key in sentence.keys)


def _table(table: Table) -> Iterator[str]:
    columns = table.columns or ["", ""]
    yield f"| {' | '.join(map(_cell, columns))} |"
    yield f"|{''.join(' ---: |' if right else ' --- |' for right in numeric_columns(table))}"
    for row in table.rows:
        yield f"| {' | '.join(_cell(cell.text) for cell in row)} |"


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Text in which Markdown sees no marks: names of cases and methods may hold any."""
    for mark in "\\`*_<[":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
