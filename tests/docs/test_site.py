"""The site is whole, and its front page leads to every how-to; what takes long says so before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import ROOT, blocks_of

DOCS = ROOT / "docs"
HOW_TO = sorted(path.relative_to(DOCS).as_posix() for path in (DOCS / "howto").glob("*.md"))
ALSO = ("README.md", "finetune/README.md", "checkpoints/README.md")
PAGES = [*sorted(path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md")), *ALSO]
# How-tos that lie outside docs/howto.
FURTHER = {"agents.md", "app.md", "audit.md", "benchmark.md", "finetuning.md", "tutorial.md", "weights.md", "worlds.md"}
# Commands that may take minutes or gigabytes.
LONG = re.compile(
    r"sam-pet (train|finetune|evaluate|batch|phantom|demo|report|trajectories|verify \w+ --|models fetch)|pip install|"
    r"make (demo|container)|python benchmarks/|accelerate launch"
)
COSTS = {
    "time": re.compile(r"\b\d[\d.]* (s|min|h)\b|\bminutes?\b|\bseconds\b|\bhours?\b|\bnight\b"),
    "memory": re.compile(r"\bmemory\b"),
    "disk": re.compile(r"\bdisk\b|\d MB\b"),
}


def links(page: str) -> set[str]:
    """The pages that a page links to, from docs/ on."""
    found = re.findall(r"\]\(([^)#\s]+\.md)", (DOCS / page).read_text(encoding="utf-8"))
    return {Path(os.path.normpath(Path(page).parent / link)).as_posix() for link in found}


def test_every_how_to_is_one_click_from_the_front_page() -> None:
    assert {*HOW_TO} <= links("index.md")


def test_all_that_tells_how_is_two_clicks_from_the_front_page() -> None:
    first = {page for page in links("index.md") if (DOCS / page).is_file()}
    assert first.union(*map(links, first)) >= FURTHER


def test_every_page_is_in_the_navigation() -> None:
    text = re.sub(r"(?m)^(hooks|plugins).*\n", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    navigation = yaml.safe_load(text[text.index("nav:") :])["nav"]
    listed = {str(target) for target in _targets(navigation)}
    assert {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} <= listed


def _targets(entries: list[dict[str, object]]) -> list[object]:
    found: list[object] = []
    for entry in entries:
        for target in entry.values():
            found += _targets(target) if isinstance(target, list) else [target]
    return found


@pytest.mark.parametrize("page", PAGES)
def test_what_a_long_command_costs_is_said_before_it(page: str) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    for block in blocks_of(page):
        if block.language == "sh" and LONG.search(block.text):
            before = " ".join(lines[: block.line - 1])
            assert [cost for cost, told in COSTS.items() if not told.search(before)] == [], block.place


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path / "site")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "reference" / "python.html").read_text(encoding="utf-8")
    assert 'id="sam_pet.Session.add_click"' in page
    assert "small_phantom" in page
