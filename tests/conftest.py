"""Paths of the data beside the project, and small studies made on the spot."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import sam_pet  # noqa: F401  before torch, whose waiting threads then sleep

# The machines of CI are slow and shared: no example fails for its time there, and each run draws the same ones.
settings.register_profile(
    "sam_pet", max_examples=30, derandomize="CI" in os.environ, deadline=None if "CI" in os.environ else 5000
)
settings.load_profile("sam_pet")

DATA = Path(os.environ.get("SAM_PET_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Examples that runs share are shared by those of one session, and lie in nobody's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAM_PET_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """What a command sets up to log to goes with its test: its stream is closed by then."""
    root, ours = logging.getLogger(), logging.getLogger("sam_pet")
    before, levels = list(root.handlers), (root.level, ours.level)
    yield
    for handler in [h for h in root.handlers if type(h) is logging.StreamHandler and h not in before]:
        root.removeHandler(handler)
    for logger, level in zip((root, ours), levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real studies; tests that need it skip where it is absent, and CI has it."""
    if not DATA.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the real studies in {DATA}")
        pytest.skip(f"no real studies in {DATA}")
    return DATA
