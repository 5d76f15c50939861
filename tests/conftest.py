"""Paths of the data beside the project, and small studies made on the spot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("SAM_PET_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real studies; tests that need it skip where it is absent, and CI has it."""
    if not DATA.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the real studies in {DATA}")
        pytest.skip(f"no real studies in {DATA}")
    return DATA
