"""The code blocks of README and docs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
# All that the site shows, less the changelog, whose lines are of their day.
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "finetune/*.md",
        "infer/*.md",
        "checkpoints/*.md",
        "checkpoints/default/*.md",
    )
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block, the page that holds it, and the line on which its text begins."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block, without comments, continued ones joined."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        lines = (re.sub(r"(^|\s+)#.*$", "", line).strip() for line in joined.splitlines())
        return [line for line in lines if line]


def blocks_of(page: str) -> list[CodeBlock]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        CodeBlock(page, text.count("\n", 0, found.start("text")) + 1, found["language"].strip(), dedent(found["text"]))
        for found in _FENCE.finditer(text)
    ]


def all_blocks() -> list[CodeBlock]:
    return [block for page in PAGES for block in blocks_of(page)]


def fences(page: str) -> int:
    """How many lines of a page open or close a block, by a simpler rule than the above."""
    return sum(line.strip().startswith("```") for line in (ROOT / page).read_text(encoding="utf-8").splitlines())
