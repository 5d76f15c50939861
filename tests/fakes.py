"""Stand-ins: a segmenter with random weights, and a study with two lesions."""

from __future__ import annotations

import numpy as np
import torch

from sam_pet.geometry import Grid
from sam_pet.models import LoadedModel, ModelManifest, untrained
from sam_pet.proposers.ranker import OutlineRanker, RankerContent
from sam_pet.proposers.revisions import CORRECTED
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study
from sam_pet.threads import one_thread


class FixedRanker(OutlineRanker):
    """Takes the outline of one number at a first prompt, and the corrected one after a stroke."""

    def __init__(self, number: int) -> None:
        super().__init__(RankerContent(features=[], trees="", margin=0.0, training={"number": number}))

    def expect(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(np.arange(len(features)) == self.content.training["number"], float)

    def best(self, _: np.ndarray) -> tuple[int, float]:
        return CORRECTED, 0.5


def random_segmenter(seed: int = 0, first_mm: float = 64.0, largest_mm: float = 150.0) -> Segmenter:
    """A segmenter with random weights, whose lesions are on every slice of their clips."""
    model = untrained("nano", seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with one_thread(), torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * parameter.abs().mean() * torch.randn(parameter.shape, generator=generator)
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(20.0)
    record = ModelManifest(name="random", clip=ClipRecipe(first_mm=first_mm, largest_mm=largest_mm), trained=True)
    return Segmenter(LoadedModel(model, record, sha256=f"random-{seed}", source="random"), device="cpu")


def two_lesion_study() -> Study:
    """Two hot balls in a warm body, 5 x 5 x 4 mm voxels; their centres are (20, 24, 10) and (44, 24, 30)."""
    z, y, x = np.mgrid[:40, :48, :64]
    pet = np.full((40, 48, 64), 0.8, np.float32)
    for cx, cy, cz in ((20, 24, 10), (44, 24, 30)):
        distance = np.sqrt(((x - cx) * 5) ** 2 + ((y - cy) * 5) ** 2 + ((z - cz) * 4) ** 2)
        pet[distance < 14] = 8.0
    ct = np.where(pet > 0, 40, -1000).astype(np.float32)
    ct[:, :4] = -1000
    return Study(pet, ct, Grid((64, 48, 40), (5.0, 5.0, 4.0)))
