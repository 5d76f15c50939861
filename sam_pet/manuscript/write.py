"""The files of a draft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sam_pet.audit.seal import MANIFEST
from sam_pet.errors import InputError
from sam_pet.files import replacing
from sam_pet.manuscript.claim import ITEMS
from sam_pet.manuscript.draft import Draft, Figure
from sam_pet.manuscript.markdown import markdown
from sam_pet.manuscript.paper import paper

MARKDOWN, PDF = "methods.md", "methods.pdf"


def draft_of(run: Path) -> Draft:
    """The draft of an evaluation or a training run.

    Raises:
        InputError: the folder holds neither, or its records are damaged.
    """
    if (run / "recipe.yaml").is_file() or (run / "tracker" / "recipe.yaml").is_file():
        from sam_pet.manuscript.training import draft_training

        return draft_training(run)
    if (run / MANIFEST).is_file():
        from sam_pet.manuscript.evaluation import draft_evaluation

        return draft_evaluation(run)
    raise InputError(f"methods: {run} holds no run; give the folder of an evaluation or a training run")


def write_manuscript(run: Path, out: Path) -> dict[str, Any]:
    """Write `methods.md` with its pictures, and `methods.pdf`; the same run gives the same bytes.

    Args:
        run: folder of an evaluation or a training run.
        out: folder for the files.

    Returns:
        The paths, the number of sentences and sources, and the items of the checklist by status.

    Raises:
        InputError: see `draft_of`.
    """
    draft = draft_of(run)
    pictures = [content.png for item in ITEMS for content in draft.of(item) if isinstance(content, Figure)]
    names = {number: f"figure_{number}.png" for number in range(1, len(pictures) + 1)}
    files = {names[number]: png for number, png in enumerate(pictures, 1)}
    files |= {MARKDOWN: markdown(draft, names).encode(), PDF: paper(draft)}
    for name, content in files.items():
        with replacing(out / name) as temporary:
            temporary.write_bytes(content)
    statuses: dict[str, list[int]] = {"answered": [], "in part": [], "missing": []}
    for item in ITEMS:
        statuses[draft.status(item)].append(item)
    return {
        "markdown": str(out / MARKDOWN),
        "pdf": str(out / PDF),
        "figures": [str(out / name) for name in names.values()],
        "sentences": sum(1 for _ in draft.sentences),
        "sources": len(draft.sources),
        "claim": statuses,
    }
