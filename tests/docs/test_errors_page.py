"""The page of errors is that of today's code, and leaves nobody without something to do."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "errors_page.py"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("errors_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["errors_page"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_that_of_the_code(maker: ModuleType) -> None:
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "make docs writes it anew"


def test_every_message_says_what_to_do(maker: ModuleType) -> None:
    found = [(path, message) for path in sorted(maker.PACKAGE.rglob("*.py")) for message in maker.messages(path)]
    assert len(found) > 250
    assert [message.text for _, message in found if not maker.remedy(message.text)[1]] == []
    assert all("\n" not in message.text for _, message in found)
