"""The built page in the package is the source's, and small."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP, BUILT = ROOT / "app", ROOT / "sam_pet" / "app" / "static"


def test_a_build_gives_the_files_in_the_package(tmp_path: Path) -> None:
    npx = shutil.which("npx")
    if npx is None or not (APP / "node_modules" / "vite").exists():
        if os.environ.get("CI"):
            pytest.fail("CI needs node, and `make app-logic` before")
        pytest.skip("node or app/node_modules is not there")
    subprocess.run([npx, "vite", "build", "--outDir", str(tmp_path), "--logLevel", "error"], cwd=APP, check=True)
    assert contents(tmp_path) == contents(BUILT), "run `make app` and commit what it makes"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_page_is_under_3_mb_compressed_and_needs_no_other_site() -> None:
    files = [path for path in BUILT.rglob("*") if path.is_file()]
    assert {"index.html", "page.js"} <= {path.name for path in files}
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 3e6
    assert "http" not in (BUILT / "index.html").read_text()


def test_what_the_page_depends_on_is_pinned() -> None:
    package = json.loads((APP / "package.json").read_text())
    for versions in (package["dependencies"], package["devDependencies"]):
        for name, version in versions.items():
            assert version[0].isdigit(), name


def test_the_docs_list_the_keys_of_the_page() -> None:
    source = (APP / "src" / "input" / "keys.ts").read_text()
    commands = re.findall(r'keys: \[(.*?)\], does: "(.*?)" }', source)
    assert len(commands) > 30
    docs = (ROOT / "docs" / "app.md").read_text()
    for keys, does in commands:
        shown = " or ".join(f"`{key}`" for key in re.findall(r'"(.*?)"', keys))
        assert f"| {shown} | {does} |" in docs
