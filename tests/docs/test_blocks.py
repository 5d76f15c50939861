"""Every code block of README and docs runs, page by page, in a folder that holds what the page speaks of."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from sam_pet.cli.app import main
from sam_pet.prompt_files import parse_prompts
from sam_pet.study import read_study
from tests.docs.blocks import PAGES, ROOT, CodeBlock, all_blocks, blocks_of, fences
from tests.docs.standins import NOT_RUN, ONCE, SMALL, write_files

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SCRIPTS = (
    "benchmarks/agents.py",
    "benchmarks/train_unet_click.py",
    "benchmarks/worlds.py",
    "benchmarks/false_lesions.py",
    "benchmarks/adapters.py",
    "benchmarks/parts.py",
    "benchmarks/longer_memories.py",
    "benchmarks/training_cost.py",
    "benchmarks/speed.py",
    "benchmarks/counted.py",
)
# What is not code: shown, and checked where it can be wrong.
SHOWN = {"text", "mermaid"}
_done: set[str] = set()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    return folder


@pytest.fixture
def place(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the page's own, and the working directory."""
    folder = tmp_path / "page"
    shutil.copytree(files, folder)
    monkeypatch.chdir(folder)
    return folder


def run_command(line: str) -> None:
    """Run a line of a shell block, or what stands in for it."""
    words = shlex.split(SMALL.get(line, line))
    if line in NOT_RUN or line in _done:
        return
    if words[0] == "sam-pet":
        with pytest.raises(SystemExit) as ended:
            main(words[1:])
        assert ended.value.code in (0, None), line
        if line in ONCE:
            _done.add(line)
    elif words[0] == "make":
        assert re.search(rf"^[\w -]*\b{words[1]}\b[\w -]*:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
    elif words[:2] == ["pip", "install"]:
        check_install(words[2:])
    elif words[0] == "python":
        check_script(words[1], words[2:])
    else:
        raise AssertionError(f"{line}: run it, or say in NOT_RUN why not")


def check_install(words: list[str]) -> None:
    """What pip is asked for is this package with extras that it has, or torch from an index of its own."""
    if "--index-url" in words:
        at = words.index("--index-url")
        assert re.fullmatch(r"https://download\.pytorch\.org/whl/(cpu|cu\d+)", words[at + 1])
        words = words[:at] + words[at + 2 :]
        assert words == ["torch"]
        return
    wanted = Requirement(words[-1].replace(".[", f"{PROJECT['name']}[").replace("-e ", ""))
    assert wanted.name == PROJECT["name"]
    assert wanted.extras <= set(PROJECT["optional-dependencies"])


def test_every_extra_is_told_of() -> None:
    text = (ROOT / "docs" / "howto" / "install.md").read_text(encoding="utf-8")
    assert [extra for extra in PROJECT["optional-dependencies"] if f"`{extra}`" not in text] == ["docs", "dev"]


def check_script(script: str, words: list[str]) -> None:
    """A script of the benchmarks takes hours: it is there, and knows the options that it is given."""
    assert script in SCRIPTS
    shown = subprocess.run(
        [sys.executable, str(ROOT / script), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[\w-]+", shown))


def write_prompts(block: CodeBlock) -> None:
    """The prompts that a page shows can be read on the PET that it speaks of; its commands take them from this file."""
    assert parse_prompts(json.loads(block.text), read_study(None, "suv.nii.gz").grid)
    Path("clicks.json").write_text(block.text, encoding="utf-8")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)])
def test_the_blocks_of_a_page_run_one_after_the_other(page: str) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        try:
            if block.language == "sh":
                for line in block.commands:
                    run_command(line)
            elif block.language == "python":
                exec(compile("\n" * (block.line - 1) + block.text, block.page, "exec"), names)
            elif block.language == "json":
                write_prompts(block)
            elif block.language == "csv":
                Path("cohort.csv").write_text(block.text, encoding="utf-8")
        except Exception as error:
            error.add_note(f"in the block at {block.place}")
            raise


def test_every_block_is_of_a_kind_that_is_run_or_only_shown() -> None:
    others = [b.place for b in all_blocks() if b.language not in {"sh", "python", "json", "csv", *SHOWN}]
    assert others == []


def test_no_block_is_overlooked() -> None:
    assert {page: fences(page) for page in PAGES} == {page: 2 * len(blocks_of(page)) for page in PAGES}
    assert len(all_blocks()) > 50


def test_stand_ins_are_for_lines_that_are_there() -> None:
    lines = {line for block in all_blocks() if block.language == "sh" for line in block.commands}
    assert {*SMALL, *NOT_RUN, *ONCE} <= lines


def test_a_block_that_fails_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line in (
        "sam-pet score --prediction no.nii.gz --truth no.nii.gz",
        "make nothing",
        "rm file",
        "pip install numpy",
    ):
        with pytest.raises(AssertionError):
            run_command(line)


def test_blocks_are_found_in_lists_and_without_their_comments() -> None:
    block = CodeBlock("a.md", 1, "sh", "# first\nsam-pet a \\\n    --b c  # then\n\nsam-pet d\n")
    assert block.commands == ["sam-pet a --b c", "sam-pet d"]
    assert any(block.text.startswith("make container-test") for block in blocks_of("docs/howto/container.md"))
