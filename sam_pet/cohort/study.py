"""One study of a cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CohortStudy:
    """The files of one study; without prompts its lesions are looked for.

    `fault` says why it cannot be read, where that was found out as it was looked for.
    """

    name: str
    pet: Path
    ct: Path | None = None
    prompts: Path | None = None
    fault: str | None = None
