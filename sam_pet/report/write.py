"""The files of a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sam_pet.files import replacing, write_json
from sam_pet.plots.style import pdf
from sam_pet.report import html, paper
from sam_pet.report.content import Content

HTML, PDF, CSV, JSON = FILES = "report.html", "report.pdf", "lesions.csv", "lesions.json"


def write_report(content: Content, folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Write `report.html`, `report.pdf` (one page), and the measurements as `lesions.csv` and `lesions.json`.

    The same content gives the same bytes.

    Returns:
        The paths, and the totals of `sam_pet.measures.summarise`.

    Examples:
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.files import write_image
        >>> from sam_pet.report import of_mask, write_report
        >>> phantom = small_phantom()
        >>> write_image(phantom.study.grid.image(phantom.lesions), "lesions.nii.gz")
        >>> write_report(of_mask(phantom.study, "lesions.nii.gz"), "report")["lesions"]
        5
    """
    root = Path(folder)
    files = {"html": root / HTML, "pdf": root / PDF, "csv": root / CSV, "json": root / JSON}
    texts = {
        "html": html.page(content).encode(),
        "pdf": pdf(paper.page(content), content.title),
        "csv": content.table.to_csv(index=False).encode(),
    }
    for kind, text in texts.items():
        with replacing(files[kind]) as temporary:
            temporary.write_bytes(text)
    rows = content.table.to_dict("records")
    write_json({"totals": content.totals, "lesions": rows}, files["json"])
    return {**{kind: str(path) for kind, path in files.items()}, **content.totals}
