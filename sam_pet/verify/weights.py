"""Weights that are here against those that are recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sam_pet.errors import InputError, one_line
from sam_pet.models import registry
from sam_pet.verify.checks import Check

T = TypeVar("T")


def check_facts(
    what: str, source: str, load: Callable[[], tuple[T, Mapping[str, Any]]], recorded: Mapping[str, Any]
) -> tuple[T | None, list[Check]]:
    """Load what has weights and compare its facts with the recorded ones; it is returned if all are the same.

    Args:
        what: the checks' name.
        source: of the weights. Those that are there but cannot be loaded count as changed.
        load: returns what is loaded, and its facts.
        recorded: the facts then.
    """
    try:
        loaded, facts = load()
    except InputError as error:
        entry = registry.find(source)
        here = Path(source).exists() if entry is None else entry.here
        return None, [Check(what, "differs" if here else "unchecked", one_line(error))]
    changed = [key for key in {**recorded, **facts} if recorded.get(key) != facts.get(key)]
    if changed:
        pairs = (f"{key} {_short(recorded.get(key))} then, {_short(facts.get(key))} now" for key in changed)
        return None, [Check(what, "differs", "; ".join(pairs))]
    return loaded, [Check(what, "agrees", "as recorded")]


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 20 else f"{text[:12]}..."
