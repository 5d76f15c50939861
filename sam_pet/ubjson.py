"""Universal Binary JSON as XGBoost writes it (ubjson.org, Draft 12), read without trust in any of its lengths."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_DEPTH = 32
_NUMBERS = {
    kind: np.dtype(layout)
    for kind, layout in {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}.items()
}
_ONE = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_CONSTANTS = {"T": True, "F": False, "Z": None}


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at == len(self._content)

    def take(self, count: int) -> bytes:
        part = self._content[self._at : self._at + count]
        if count < 0 or len(part) < count:
            raise ValueError("it is cut short")
        self._at += count
        return part

    def next(self) -> str:
        return self.take(1).decode("latin-1")

    def peek(self) -> str:
        return self._content[self._at : self._at + 1].decode("latin-1")

    def number(self, kind: str) -> Any:
        if kind not in _NUMBERS:
            raise ValueError("it holds a value of an unknown type")
        return struct.unpack(_ONE[kind], self.take(_NUMBERS[kind].itemsize))[0]

    def length(self) -> int:
        count = self.number(self.next())
        if not isinstance(count, int) or not 0 <= count <= len(self._content):
            raise ValueError("it holds a length that cannot be")
        return count

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8")

    def value(self, kind: str, depth: int) -> Any:
        if depth > _DEPTH:
            raise ValueError("it is too deep")
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind == "S":
            return self.text()
        if kind == "{":
            return self._mapping(depth)
        return self._list(depth) if kind == "[" else self.number(kind)

    def _mapping(self, depth: int) -> dict[str, Any]:
        if self.peek() in ("#", "$"):
            raise ValueError("it holds a mapping of a kind that is not written")
        found: dict[str, Any] = {}
        while self.peek() != "}":
            key = self.text()
            if key in found:
                raise ValueError("it says something twice")
            found[key] = self.value(self.next(), depth + 1)
        self.next()
        return found

    def _list(self, depth: int) -> Any:
        kind = ""
        if self.peek() == "$":
            self.next()
            kind = self.next()
        if self.peek() == "#":
            self.next()
            count = self.length()
            if kind:
                layout = _NUMBERS[kind]
                return np.frombuffer(self.take(count * layout.itemsize), layout)
            return [self.value(self.next(), depth + 1) for _ in range(count)]
        if kind:
            raise ValueError("it holds a list without a length")
        found = []
        while self.peek() != "]":
            found.append(self.value(self.next(), depth + 1))
        self.next()
        return found


def decode(content: bytes) -> Any:
    """The value in some bytes; numbers of one type in a list as an array.

    Raises:
        ValueError: the bytes are not one whole value.
    """
    reader = _Reader(content)
    try:
        value = reader.value(reader.next(), 0)
    except (KeyError, UnicodeDecodeError) as error:
        raise ValueError("it holds what is not written") from error
    if not reader.done:
        raise ValueError("something follows its end")
    return value
