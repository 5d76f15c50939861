"""The commands of docs/finetuning.md run as they stand there, on small cases and for one step a stage."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from sam_pet.cli.app import main
from tests.train.cases import write_case

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "finetuning.md"
SHORT = ["stages=[{steps: 1, batch: 2, length: 2}]", "image_size=64", "workers=0", "optimization.warmup=1"]


def commands() -> list[list[str]]:
    """The block of the document that makes the table of adapters, a list of words a line."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = (block for block in blocks if "benchmarks/adapters.py" in block)
    return [shlex.split(line) for line in block.splitlines()]


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] == "sam-pet":
        with pytest.raises(SystemExit) as ended:
            main(words[1:])
        assert ended.value.code in (0, None)
        return
    assert words[0] == "python"
    monkeypatch.setattr(sys, "argv", words[1:])
    runpy.run_path(words[1], run_name="__main__")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the commands name: the sarcoma cases and the phantoms, each a copy of one small study."""
    recipe = yaml.safe_load((ROOT / "finetune" / "sts_lora.yaml").read_text())
    names = [*recipe["train"][0]["cases"], *recipe["validation"]["data"][0]["cases"]]
    for case in [*(f"sts/{name}" for name in names), "phantoms/one"]:
        write_case(tmp_path / "data" / case)
    for name in ("finetune", "benchmarks"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_of_adapters_is_made_as_the_document_says(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = commands()
    assert [words[1] for words in lines] == ["phantom", "finetune", "benchmarks/adapters.py"]
    run([*lines[1], *SHORT], monkeypatch)
    run([*lines[2], *SHORT, "validation.scribbles=1", "validation.limit=2"], monkeypatch)
    table = pd.read_csv(files / "runs" / "adapters" / "table.csv").set_index("variant")
    trunk, parts, full = (table.loc[name] for name in ("LoRA, trunk", "LoRA, trunk + memory + decoder", "full"))
    assert 0 < trunk.trained_percent < parts.trained_percent < 8
    assert full.trained_percent == 100
    assert trunk.stored_mb < parts.stored_mb < 0.1 * full.stored_mb
    assert table.dice_click.between(0, 1).all()
    assert (files / "runs" / "adapters" / "table.md").read_text().strip() in capsys.readouterr().out


def test_what_is_done_is_not_run_again(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = files / "runs" / "adapters"
    for name in ("none", "lora-trunk", "lora-trunk-memory-decoder", "full"):
        (held / name).mkdir(parents=True)
        (held / name / "row.json").write_text(f'{{"variant": "{name}", "dice_click": 0.5}}')
    run(commands()[-1], monkeypatch)
    assert pd.read_csv(held / "table.csv").dice_click.tolist() == [0.5] * 4
