"""What is asked of one study: its images, and what a reader has drawn on them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sam_pet.progress import steps
from sam_pet.prompt_files import read_prompts
from sam_pet.prompts import Box, Prompt
from sam_pet.study import LITTLE_COVERED, Study, read_study

if TYPE_CHECKING:
    from sam_pet.segmenter import Segmenter
    from sam_pet.session.session import Session

logger = logging.getLogger(__name__)

_COLD_SUV = 0.2


@dataclass(frozen=True)
class Request:
    """A study and the prompts on it, in order; without any, lesions are looked for."""

    study: Study
    prompts: tuple[Prompt, ...] = ()

    def answered(self, segmenter: Segmenter, tracer: str = "auto", *, watched: bool = False) -> Session:
        """A session on the study that holds the answer.

        Args:
            segmenter: a loaded model.
            tracer: without prompts, what was injected: auto, fdg, psma.
            watched: whether a bar counts the prompts on a terminal.
        """
        session = segmenter.open(self.study)
        if not self.prompts:
            session.first_answer(tracer)
        for prompt in steps(self.prompts, "prompts") if watched else self.prompts:
            session.add(prompt)
        return session


def read_request(pet: Path, ct: Path | None = None, prompts: Path | None = None) -> Request:
    """Read a study and a file of prompts.

    No points are no prompts, as in the challenge. Without prompts a CT that covers little of the PET is left out.

    Args:
        pet: see `sam_pet.study.read_study`, also for `ct`.
        ct: None for a PET alone.
        prompts: see `sam_pet.prompt_files.read_prompts`.

    Raises:
        InputError: as the two raise it.
    """
    study = read_study(ct, pet)
    drawn = () if prompts is None else tuple(read_prompts(prompts, study.grid))
    if prompts is not None and not drawn:
        logger.warning("%s has no prompt: lesions are looked for without", prompts)
    for prompt in drawn:
        _warn_of_cold(prompt, study)
    if not drawn and study.ct is not None and study.ct_share < LITTLE_COVERED:
        logger.warning("without prompts the PET alone is looked at: the CT covers too little of it")
        study = replace(study, ct=None)
    return Request(study, drawn)


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
