"""Ways to damage a file: of bytes, and of values in JSON."""

from __future__ import annotations

import json
import random
from typing import Any

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e300, -1e300, float("nan"), float("inf"), 10**30, 2**63, 0.5, "", "x", [], {}, [[]]),
    *([None], {"a": 1}, "9" * 5000, "\ud800", "\0", [0] * 1000),
)
_NUMBERS = (b"0", b"-1", b"1e300", b"nan", b"99999999999999999999", b"", b"x", b"-0.0", b"1e-300")


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with one fault, or some."""
    ways = [_flip, _cut, _double, _insert, _numbers, _values, _deep]
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = rng.choice(ways)(content, rng)
    return content


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 16))):
        if changed:
            # Headers come first and matter most.
            at = rng.randrange(min(len(changed), rng.choice((64, 400, len(changed)))))
            changed[at] = rng.choice((changed[at] ^ (1 << rng.randrange(8)), 0, 255, rng.randrange(256)))
    return bytes(changed)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _double(content: bytes, rng: random.Random) -> bytes:
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:b] + content[a:b] + content[b:] if rng.random() < 0.5 else content[:a] + content[b:]


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.randbytes(rng.choice((1, 4, 300))) + content[at:]


def _numbers(content: bytes, rng: random.Random) -> bytes:
    places = [i for i, byte in enumerate(content[:4000]) if byte in b"0123456789"]
    if not places:
        return content
    start = rng.choice(places)
    end = start
    while end < len(content) and content[end] in b"0123456789.":
        end += 1
    return content[:start] + rng.choice(_NUMBERS) + content[end:]


def _values(content: bytes, rng: random.Random) -> bytes:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return _flip(content, rng)
    places = list(_places(value))
    if not places:
        return content
    holder, key = rng.choice(places)
    if isinstance(holder, dict) and rng.random() < 0.2:
        del holder[key]
    else:
        holder[key] = rng.choice(_ODD)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def _deep(content: bytes, rng: random.Random) -> bytes:
    return b"[" * 100_000 if rng.random() < 0.05 else _flip(content, rng)
