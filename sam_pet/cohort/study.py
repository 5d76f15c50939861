"""One study of a cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CohortStudy:
    """The files of one study; without prompts its lesions are looked for.

    `fault` says why it cannot be read, where that was found out as it was looked for.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.cohort.study import CohortStudy
        >>> CohortStudy("anna", Path("anna/SUV.nii.gz")).prompts is None
        True
    """

    name: str
    pet: Path
    ct: Path | None = None
    prompts: Path | None = None
    fault: str | None = None
