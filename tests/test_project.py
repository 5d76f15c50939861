"""What makes it a project: versions that agree, workflows that are well formed, dependencies with a reason."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import sam_pet

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def check(schema: str, *paths: Path) -> str:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("dependabot", "dependabot.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
        ("citation-file-format", "../CITATION.cff"),
    ],
)
def test_files_for_the_code_host_fit_their_schemas(schema: str, files: str) -> None:
    found = sorted(GITHUB.glob(files)) if ".." not in files else [ROOT / Path(files).name]
    assert found
    assert check(schema, *found) == ""


def test_a_broken_workflow_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("on: push\njobs: {test: {runs-onn: ubuntu-latest, steps: []}}")
    assert "runs-onn" in check("github-workflows", tmp_path / "a.yml")


def test_tests_run_on_three_systems_and_every_python_that_is_declared() -> None:
    matrix = yaml.safe_load((GITHUB / "workflows" / "test.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    declared = [c.rpartition(" ")[2] for c in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert matrix["python"] == declared == ["3.11", "3.12", "3.13", "3.14"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}


def test_make_targets_of_workflows_and_contributing_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {t for line in re.findall(r"^([\w -]+):", makefile, re.MULTILINE) for t in line.split()}
    texts = [path.read_text("utf-8") for path in (*GITHUB.glob("workflows/*.yml"), ROOT / "CONTRIBUTING.md")]
    named = {t for text in texts for line in re.findall(r"(?:`|run: )make ([\w -]+)", text) for t in line.split()}
    assert {"quality", "test", "docs", "test-lowest", "test-newest"} <= named <= targets


def test_versions_agree_and_the_changelog_has_them() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == sam_pet.__version__
    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert titles[1].startswith(f"{sam_pet.__version__} (")


def test_late_dependencies_say_why_they_are_there() -> None:
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    heavy = ("pandas", "matplotlib", "networkx", "peft", "jinja2", "xgboost-cpu", "transformers", "huggingface-hub")
    for name in heavy:
        number = next(i for i, line in enumerate(lines) if line.strip().startswith(f'"{name}>='))
        assert "#" in lines[number] + lines[number - 1], name


def test_every_folder_in_the_map_of_the_code_is_there() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## Map of the code")[1].split("## How to add")[0]
    names = [name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)]
    assert len(names) > 15
    assert [name for name in names if not (ROOT / "sam_pet" / name).exists() and name != "sam_pet/"] == []


def test_what_is_installed_without_dependencies_is_pinned_and_in_the_image() -> None:
    (line,) = re.findall(r"^NNUNET := (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    (chosen,) = re.findall(r"grep -E '(\S+)' constraints.txt \\\n\s+> /tmp/nnunet.txt", _dockerfile())
    assert {pin.split("==")[0] for pin in pins if re.match(chosen, pin)} == set(line.split())
    (chosen,) = re.findall(r"grep -E '(\S+)' constraints.txt > /tmp/parts.txt", _dockerfile())
    extra = {re.split("[>=]", name)[0] for name in PROJECT["project"]["optional-dependencies"]["dev"]}
    parts = {pin.split("==")[0] for pin in pins if re.match(chosen, pin)}
    assert parts == {"blosc2", "nibabel", "scikit-learn", "seaborn"}
    assert parts <= extra


def _dockerfile() -> str:
    return (ROOT / "infer" / "Dockerfile").read_text("utf-8")
