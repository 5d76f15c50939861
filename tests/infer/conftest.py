from __future__ import annotations

from pathlib import Path

import pytest

INFER = Path(__file__).parents[2] / "infer"


@pytest.fixture(autouse=True)
def _scripts_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are where one of them is run."""
    monkeypatch.syspath_prepend(str(INFER))
