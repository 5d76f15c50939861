"""Values of a run and where they stand, and sentences that are made of nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# {key} or {key|format}: keys hold names of methods, which hold nearly anything.
_PLACE = re.compile(r"\{([^{}|]+)(?:\|([^{}]*))?\}")


@dataclass(frozen=True)
class Fact:
    """A value, and the file or the code that it stands in."""

    key: str
    value: Any
    source: str


@dataclass(frozen=True)
class Sentence:
    """Text, and the keys of the facts that it says; it says nothing else."""

    text: str
    keys: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError(f"a sentence without a source: {self.text}")


class Facts:
    """The facts of a run by key."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def add(self, source: str, values: Mapping[str, Any], prefix: str = "") -> None:
        """Take up values, of mappings within mappings with dots between the keys; what is None or empty is left out."""
        for key, value in _flat(values, prefix):
            self._facts[key] = Fact(key, value, source)

    def __getitem__(self, key: str) -> Fact:
        return self._facts[key]

    def __contains__(self, key: str) -> bool:
        return key in self._facts

    def below(self, prefix: str) -> list[Fact]:
        """The facts whose keys begin with a prefix and a dot."""
        return [fact for key, fact in self._facts.items() if key.startswith(f"{prefix}.")]

    def say(self, template: str, *also: str) -> Sentence:
        """A sentence whose places are filled with facts.

        Example:
            >>> facts.say("There were {protocol.steps} corrections of Dice {dice|.2f}.")

        Args:
            template: with `{key}` or `{key|format}`; without digits of its own but in names.
            also: keys of facts that it follows from without showing them.

        Raises:
            KeyError: there is no such fact.
        """
        used = [match[1] for match in _PLACE.finditer(template)]
        text = _PLACE.sub(lambda match: shown(self[match[1]].value, match[2] or ""), template)
        if text.endswith(".."):  # a value that is a sentence brings its own
            text = text[:-1]
        return Sentence(text, tuple(dict.fromkeys([*used, *(self[key].key for key in also)])))


def shown(value: Any, form: str = "") -> str:
    """A value as text."""
    if isinstance(value, list | tuple):
        return ", ".join(shown(one, form) for one in value)
    if isinstance(value, float) and not form:
        return f"{value:g}"
    return format(value, form) if form else str(value)


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value not in (None, ""):
            yield f"{prefix}{key}", value


def listed(names: Iterable[str]) -> str:
    """Names with commas, and `and` before the last."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
