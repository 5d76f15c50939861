from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from sam_pet.geometry import Grid
from sam_pet.prompts import Box, Click
from sam_pet.report import Content, paper
from sam_pet.report.content import prompt_rows
from sam_pet.session.saved import Record
from sam_pet.study import Study

GRID = Grid((60, 8, 60), (3.0, 4.0, 5.0))
HASH = "0123456789abcdef" * 4


def content(lesions: int, record: Record | None = None) -> Content:
    """A row of lesions; the later ones are longer."""
    labels = np.zeros(GRID.shape, np.uint16)
    for number in range(1, lesions + 1):
        labels[2 * number, 3, 2 : 4 + number] = number
    return Content(Study(np.where(labels > 0, 6.0, 1.0).astype(np.float32), None, GRID), labels, record=record)


def record(source: str, **more: str) -> Record:
    drawn = ((Click((1, 2, 3)), (1,)), (Box((0, 0, 0), (2, 2, 2)), (2,)), (Box((5, 5, 5), (6, 6, 6)), (3,)))
    return Record(drawn, {"source": source, "sha256": HASH, "trained": False}, "9.8.7", **more)


def texts(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize("source", ["/home/Doe_Jane/runs/mine", "mine"])
def test_a_model_is_named_without_its_folder(source: str) -> None:
    assert dict(content(1, record(source)).facts)["model"] == (
        "mine, untrained, SHA-256 0123456789abcdef, run by sam_pet 9.8.7"
    )


def test_prompts_are_counted_and_listed() -> None:
    made = record("default")
    assert dict(content(1, made).facts)["prompts"] == "1 tumor click, 2 tumor boxes"
    assert prompt_rows(made)[1] == ("box", "tumor", "2", "2", "0, 0, 0")


def test_a_first_answer_is_told() -> None:
    assert "first answer" not in dict(content(1, record("default")).facts)
    assert dict(content(1, record("default", asked="psma")).facts)["first answer"] == "without prompts, tracer psma"


def test_a_mask_tells_no_model() -> None:
    facts = dict(content(1).facts)
    assert "model" not in facts
    assert facts["images"] == "PET, 60 x 8 x 60 voxels of 3 x 4 x 5 mm"


def test_the_sheet_shows_the_largest_of_many_lesions_and_says_so() -> None:
    many = texts(paper.page(content(20)))
    assert "The 14 largest of 20 lesions." in many
    assert [name for name in ("lesion 20:", "lesion 18:", "lesion 17:", "lesion 1:") if name in many] == [
        "lesion 20:",
        "lesion 18:",
    ]
    assert "largest of" not in texts(paper.page(content(14)))


def test_the_order_of_size_keeps_the_numbers() -> None:
    assert content(3).largest == [3, 2, 1]


def test_no_file_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) not in texts(paper.page(content(2, record(str(tmp_path / "weights")))))
