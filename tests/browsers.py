"""A browser for the tests that drive pages."""

from __future__ import annotations

import os
import shutil

import pytest


def chromium_path() -> str:
    """Where Chromium is; skips the test without it, save where it must be."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs chromium")
        pytest.skip("chromium is not installed")
    return found
