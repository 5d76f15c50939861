"""What every command has in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

import sam_pet
from sam_pet.cli.app import app, main


def commands(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield name
    for part, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*name, part))


ALL = [*commands(typer.main.get_command(app))]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*arguments])
    assert stop.value.code in (0, None)
    return capsys.readouterr().out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "--version") == f"sam-pet {sam_pet.__version__}\n"


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_help_says_no_type_of_a_flag(name: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, *name, "--help")
    assert "--help" in text
    assert "bool" not in text.lower()


def test_every_command_that_writes_takes_out() -> None:
    assert ("models", "merge") in ALL
    for command in _commands(typer.main.get_command(app)):
        for parameter in command.params:
            hidden = getattr(parameter, "hidden", False)
            assert parameter.name != "out" or "--out" in parameter.opts or hidden, command.name


def _commands(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from _commands(inner)
