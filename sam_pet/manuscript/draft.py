"""A draft, before it has a form: what is said on each item of the checklist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sam_pet.manuscript.claim import ITEMS
from sam_pet.manuscript.facts import Facts, Sentence
from sam_pet.page import Table

UNSAID = "the records of the run do not tell it"


@dataclass(frozen=True)
class Missing:
    """What a paper should tell and the run does not."""

    what: str

    @property
    def text(self) -> str:
        return f"[Missing: {self.what}.]"


@dataclass(frozen=True)
class ShownTable:
    """A table and what it shows, in a sentence with its sources."""

    caption: Sentence
    table: Table


@dataclass(frozen=True)
class Figure:
    """A picture as PNG, and what it shows."""

    caption: Sentence
    png: bytes


Content = Sentence | Missing | ShownTable | Figure


@dataclass
class Draft:
    """What is said by item of the checklist.

    Attributes:
        title: of the paper.
        facts: all that is said is made of these.
        contents: by item.
        appendix: tables that are too long for the text.
    """

    facts: Facts
    title: Sentence
    contents: dict[int, list[Content]] = field(default_factory=dict)
    appendix: list[ShownTable] = field(default_factory=list)

    def say(self, item: int, template: str, *also: str) -> None:
        """Add a sentence to an item, see `Facts.say`."""
        self.add(item, self.facts.say(template, *also))

    def miss(self, item: int, what: str = UNSAID) -> None:
        """Say what the run does not tell of an item."""
        self.add(item, Missing(what))

    def add(self, item: int, content: Content) -> None:
        self.contents.setdefault(item, []).append(content)

    def of(self, item: int) -> list[Content]:
        """What is said on an item; of one that nothing is said on, that it is missing."""
        return self.contents.get(item) or [Missing(UNSAID)]

    def status(self, item: int) -> str:
        """`answered`, `in part` or `missing`."""
        missing = [isinstance(content, Missing) for content in self.of(item)]
        return "missing" if all(missing) else "in part" if any(missing) else "answered"

    @property
    def sentences(self) -> Iterator[Sentence]:
        """Everything that is said, captions too."""
        yield self.title
        for item in ITEMS:
            for content in self.of(item):
                if isinstance(content, Sentence):
                    yield content
                elif not isinstance(content, Missing):
                    yield content.caption
        for shown in self.appendix:
            yield shown.caption

    @property
    def sources(self) -> list[str]:
        """The keys of all facts that are said, in the order in which they first are; a key's number is its place."""
        return list(dict.fromkeys(key for sentence in self.sentences for key in sentence.keys))


def numeric_columns(table: Table) -> list[bool]:
    """Of each column, whether its cells are numbers or dashes, which stand on the right."""
    return [all(row[n].text[:1] in "–+-0123456789<" for row in table.rows) for n in range(len(table.columns))]
