"""What is asked of one study: its images, and what a reader has drawn on them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sam_pet.audit import PROGRAM, Actor
from sam_pet.files import file_sha256
from sam_pet.progress import steps
from sam_pet.prompt_files import read_prompts
from sam_pet.prompts import Box, Prompt
from sam_pet.study import LITTLE_COVERED, Study, read_study

if TYPE_CHECKING:
    from sam_pet.detection.detector import Detector
    from sam_pet.segmenter import Segmenter
    from sam_pet.session.session import Session

logger = logging.getLogger(__name__)

_COLD_SUV = 0.2


@dataclass(frozen=True)
class Request:
    """A study and the prompts on it, in order; without any, lesions are looked for.

    `actor` is who has drawn them: the file that they are of.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet import Segmenter
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.files import write_json
        >>> from sam_pet.phantom import write_folder
        >>> from sam_pet.requests import read_request
        >>> write_folder(small_phantom(), "asked", Path("."))
        >>> write_json({"tumor": [[30, 22, 59]]}, "asked/prompts.json")
        >>> request = read_request(Path("asked/SUV.nii.gz"), prompts=Path("asked/prompts.json"))
        >>> len(request.answered(Segmenter.from_pretrained("default")).lesions)
        1
    """

    study: Study
    prompts: tuple[Prompt, ...] = ()
    actor: Actor = PROGRAM

    def answered(
        self, segmenter: Segmenter, tracer: str = "auto", detector: Detector | None = None, *, watched: bool = False
    ) -> Session:
        """A session on the study that holds the answer.

        Args:
            segmenter: a loaded model.
            tracer: without prompts, what was injected: auto, fdg, psma.
            detector: what finds lesions at first, with prompts and without.
            watched: whether a bar counts the prompts on a terminal.
        """
        session = segmenter.open(self.study)
        session.history.actor = PROGRAM
        if detector is not None:
            session.first_answer(detector=detector)
        elif not self.prompts:
            session.first_answer(tracer)
        session.history.actor = self.actor
        for prompt in steps(self.prompts, "prompts") if watched else self.prompts:
            session.add(prompt)
        return session


def read_request(
    pet: Path, ct: Path | None = None, prompts: Path | None = None, *, found_elsewhere: bool = False
) -> Request:
    """Read a study and a file of prompts.

    No points are no prompts, as in the challenge. Without prompts a CT that covers little of the PET is left out.

    Args:
        pet: see `sam_pet.study.read_study`, also for `ct`.
        ct: None for a PET alone.
        prompts: see `sam_pet.prompt_files.read_prompts`.
        found_elsewhere: whether another detector than ours finds lesions, which is to see the CT whatever it covers.

    Raises:
        InputError: as the two raise it.
    """
    study = read_study(ct, pet)
    drawn = () if prompts is None else tuple(read_prompts(prompts, study.grid))
    if prompts is not None and not drawn:
        logger.warning("%s has no prompt: lesions are looked for without", prompts)
    for prompt in drawn:
        _warn_of_cold(prompt, study)
    if not found_elsewhere and not drawn and study.ct is not None and study.ct_share < LITTLE_COVERED:
        logger.warning("without prompts the PET alone is looked at: the CT covers too little of it")
        study = replace(study, ct=None)
    drawn_in = prompts if drawn else None
    return Request(study, drawn, PROGRAM if drawn_in is None else Actor("file", sha256=file_sha256(drawn_in)))


def _warn_of_cold(prompt: Prompt, study: Study) -> None:
    """Say where a reader points at a place without uptake: the voxels may be of another image."""
    if prompt.label != "tumor" or isinstance(prompt, Box):
        return
    x, y, z = prompt.voxels.T
    if study.pet[z, y, x].max() < _COLD_SUV:
        logger.warning(
            "the tumor prompt at voxel %s lies where the PET has hardly any uptake (SUV %.2f); "
            "check that it is of this PET, and in the order x, y, z",
            *(tuple(prompt.voxels[0].tolist()), study.pet[z, y, x].max()),
        )
