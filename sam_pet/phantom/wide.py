"""Studies far wider than real ones, painted on real organ maps: settings in groups, any of which can be left out.

A model that is right on all of these has not learned one scanner, one tracer or one drawer of bodies. To learn what
leaving a group out costs, leave it out in training and put it back in testing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from scipy.ndimage import gaussian_filter

from sam_pet.errors import InputError
from sam_pet.geometry import AxialOrder, Grid
from sam_pet.phantom import spread
from sam_pet.phantom.atypical import cut_short
from sam_pet.phantom.benign import BENIGN
from sam_pet.phantom.frame import Patient
from sam_pet.phantom.make import Phantom, make_phantom
from sam_pet.phantom.patients import RealLesion, RealPatient
from sam_pet.phantom.scanner import Ligand, Scanner
from sam_pet.phantom.shapes import Canvas, Floats, smooth_noise
from sam_pet.phantom.tissue import LOOKS, Tissue, Tracer
from sam_pet.phantom.world import World

Group = Literal["scanner", "uptake", "body", "ct", "lesions"]
GROUPS: tuple[Group, ...] = get_args(Group)
_SHORTEST_MM, _CUT = 350.0, 0.5
# More would be taken for Bq/mL when it is read.
_HOTTEST = 2000.0
_BOWEL = (Tissue.JEJUNUM, Tissue.ILEUM, Tissue.COLON, Tissue.DUODENUM, Tissue.CONTENTS)


def make_wide(seed: int, patient: RealPatient, *, without: Collection[Group] = (), coarsest_mm: float = 0.0) -> Phantom:
    """A study on a patient's organ map with that patient's lesions; the same arguments give the same bytes.

    Groups in `without` keep the phantom's usual settings; what the others draw does not depend on it.

    | group | what varies |
    | --- | --- |
    | scanner | resolution, noise and its grain, motion blur, edges, uneven sensitivity, PET scale, voxel size |
    | uptake | every tissue's SUV and texture, hot loops of bowel, brown fat, muscles, joints, injection sites |
    | body | fat, size, arms, and where the scan begins and ends |
    | ct | contrast medium, also in the bowel; tissues' HU; noise; how far it is off the PET; no CT at all |
    | lesions | volume, uptake, outline and texture of each |

    Args:
        seed: of every random choice.
        patient: see `read_patients`. Without lesions in the table, lesions of drawn size grow at the strokes; without
            strokes too, there are none.
        without: groups to leave out.
        coarsest_mm: voxels are at least so long along each axis, to save time.

    Raises:
        InputError: the organ map has no lungs.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.files import write_image
        >>> from sam_pet.phantom import make_wide, read_patients
        >>> phantom = small_phantom()
        >>> organs = np.where(phantom.organs <= 10, phantom.organs, 0).astype(np.uint8)
        >>> write_image(phantom.study.grid.image(organs), "maps/organs/fdg_a.nii.gz")
        >>> make_wide(1, read_patients("maps")[0], coarsest_mm=8.0).facts["patient"]
        'fdg_a'
    """
    checked_groups(without)
    world = WideWorld.of(seed, without)
    image, patient = patient.read(coarsest_mm)
    rng = world.rng("scanner")
    if rng is not None:
        factor = np.exp(rng.uniform(0, np.log(2.2), 2))[[0, 0, 1]]
        spacing = np.clip(np.array(image.GetSpacing()) * factor, None, np.maximum(image.GetSpacing(), 6.0))
        image, patient = patient.resampled(image, tuple(float(s) for s in spacing))
    lesions, change = table_lesions(seed, patient, Grid.of(image)), world.rng("lesions")
    if change is not None:
        level = float(np.exp(change.normal(0, 0.45)))
        lesions = [spread.varied(lesion, level, change) for lesion in lesions]
    made = make_phantom(
        seed, patient.tracer, anatomy=image, lesions=lesions, lesion_free=not lesions, world=world
    )  # fmt: skip
    return _finished(made, world, rng, patient=patient.name)


def make_wide_drawn(
    seed: int, tracer: Tracer = "fdg", grid: Grid | None = None, *, without: Collection[Group] = ()
) -> Phantom:
    """As `make_wide`, with drawn organs and lesions instead of a patient's; for `grid` see `make_phantom`."""
    checked_groups(without)
    world = WideWorld.of(seed, without)
    return _finished(make_phantom(seed, tracer, grid, world=world), world, world.rng("scanner"))


def _finished(made: Phantom, world: WideWorld, scanner: np.random.Generator | None, **facts: str) -> Phantom:
    made = _reconstructed(made, scanner)
    made = _seen(made, world.rng("body"), world.rng("ct"))
    return replace(made, facts={**made.facts, **facts, "wide": sorted(world.groups)})


def checked_groups(names: Collection[str]) -> list[Group]:
    """The groups of these names.

    Raises:
        InputError: there is no such group.
    """
    unknown = sorted(set(names) - set(GROUPS))
    if unknown:
        raise InputError(f"no group {unknown[0]!r} of settings; known are {', '.join(GROUPS)}")
    return [group for group in GROUPS if group in names]


@dataclass(frozen=True)
class WideWorld(World):
    """Settings of one study: each group has a generator of its own."""

    seed: int
    groups: frozenset[Group]
    shift: dict[Tissue, float]
    texture: dict[Tissue, float]

    @classmethod
    def of(cls, seed: int, without: Collection[Group] = ()) -> WideWorld:
        groups = frozenset(g for g in GROUPS if g not in without)
        textures = {tissue: look.within for tissue, look in LOOKS.items()}
        if "uptake" in groups:
            rng = np.random.default_rng([seed, 91])
            textures = {t: min(v * float(np.exp(rng.uniform(-0.7, 1.2))), 0.9) for t, v in textures.items()}
        shift = {}
        if "ct" in groups:
            rng = np.random.default_rng([seed, 92])
            shift = {t: float(rng.normal(0, 25)) for t in LOOKS}
        return cls(seed, groups, shift, textures)

    def rng(self, group: Group) -> np.random.Generator | None:
        """A generator for what `make_wide` does itself; None for a group that is left out."""
        return np.random.default_rng([self.seed, 80 + GROUPS.index(group)]) if group in self.groups else None

    def _own(self, group: Group, use: int) -> np.random.Generator | None:
        return (
            np.random.default_rng([self.seed, 100 + 10 * GROUPS.index(group) + use]) if group in self.groups else None
        )

    def patient(self, tracer: Tracer, rng: np.random.Generator) -> Patient:
        usual = super().patient(tracer, rng)
        body, ct = self._own("body", 0), self._own("ct", 0)
        if body is not None:
            bmi = float(np.exp(body.uniform(np.log(14.0), np.log(50.0))))
            height = float(body.uniform(125, 205))
            usual = replace(
                usual,
                height_cm=height,
                weight_kg=bmi * (height / 100) ** 2,
                fat_mm=float(np.clip((bmi - 14) * body.uniform(0.6, 2.0), 2, 60)),
                visceral_mm=float(np.clip((bmi - 21) * body.uniform(0.3, 3.5), -12, 70)),
                arms="up" if body.random() < 0.5 else "down",
            )
        return usual if ct is None else replace(usual, contrast=bool(ct.random() < 0.5))

    def scanner(self, rng: np.random.Generator) -> Scanner:
        usual = super().scanner(rng)
        pet, ct = self._own("scanner", 0), self._own("ct", 1)
        if pet is not None:
            fwhm = _log_uniform(pet, 2.5, 11.0)
            usual = replace(
                usual,
                fwhm_mm=fwhm,
                noise=_log_uniform(pet, 0.03, 0.5),
                noise_fwhm_mm=fwhm * float(pet.uniform(0.4, 1.6)),
                breath_blur_mm=float(pet.uniform(0.5, 10.0)),
            )
        if ct is not None:
            x, y, z = ct.normal(0, (4.0, 4.0, 6.0))
            usual = replace(
                usual,
                breathing_mm=float(np.clip(ct.normal(5, 13), -25, 35)),
                shift_mm=(float(x), float(y), float(z)),
                ct_noise_hu=_log_uniform(ct, 3.0, 60.0),
            )
        return usual

    def uptake(
        self, tracer: Tracer, body_mass_index: float, rng: np.random.Generator
    ) -> tuple[Ligand, dict[Tissue, float]]:
        ligand, table = super().uptake(tracer, body_mass_index, rng)
        own = self._own("uptake", 0)
        return (ligand, table) if own is None else (ligand, spread.draw_uptake(table, own))

    def textures(self) -> dict[Tissue, float]:
        return self.texture

    def more_benign(self, canvas: Canvas, patient: Patient) -> list[str]:
        own = self._own("uptake", 1)
        found = []
        for what, draw in BENIGN.items() if own is not None else ():
            if own is not None and own.random() < 0.4:
                draw(canvas, patient, own)
                found.append(what)
        return found

    def change_uptake(self, canvas: Canvas, uptake: Floats) -> None:
        """Some loops of the bowel are hot, in some patients very."""
        own = self._own("uptake", 2)
        if own is None:
            return
        loops = smooth_noise(own, _shape(canvas), _step(canvas), float(own.uniform(25, 60)))
        gain = _log_uniform(own, 0.3, 6.0) if own.random() < 0.6 else 0.0
        where = np.isin(canvas.tissue, _BOWEL)
        uptake[where] *= 1 + np.float32(gain) * np.clip(loops[where] - np.float32(own.uniform(0.3, 1.2)), 0, 2)

    def change_density(self, canvas: Canvas, hu: Floats) -> None:
        own = self._own("ct", 2)
        if own is None:
            return
        shift = np.zeros(256, np.float32)
        for tissue, value in self.shift.items():
            shift[tissue] = value
        if own.random() < 0.25:
            shift[Tissue.CONTENTS] = own.uniform(50, 400)
        hu += shift[canvas.tissue]


def table_lesions(seed: int, patient: RealPatient, grid: Grid) -> list[RealLesion]:
    """The patient's lesions on the map's grid: those of the table, small ones where only strokes are, and lesions of
    drawn size and uptake at the strokes of a patient without a table."""
    rng = np.random.default_rng([seed, 90])
    lesions = list(patient.lesions)
    middle = spread.draw_middle(patient.tracer, rng)
    for voxels in patient.strokes_apart(grid):
        lesions.append(spread.draw_lesion(voxels, middle, 1.0 if patient.lesions else None, rng))
    return lesions


def _reconstructed(made: Phantom, rng: np.random.Generator | None) -> Phantom:
    """Edge enhancement, as of a reconstruction that knows the point spread; uneven sensitivity; the scale of SUV."""
    if rng is None:
        return made
    study = made.study
    order = study.order
    pet, step = np.ascontiguousarray(order.view(study.pet)), order.spacing(study.grid)[::-1]
    if rng.random() < 0.35:
        amount = np.float32(rng.uniform(0.2, 1.0))
        pet += amount * (pet - gaussian_filter(pet, [4.0 / s for s in step]))
    depth, height, width = pet.shape
    uneven = smooth_noise(rng, (depth, height, width), step, 250.0)
    pet *= np.exp(np.float32(rng.uniform(0, 0.12)) * uneven) * np.float32(rng.uniform(0.8, 1.25))
    stored = np.empty_like(study.pet)
    order.view(stored)[...] = np.ldexp(np.round(np.ldexp(np.clip(pet, 0, _HOTTEST), 10)), -10)
    return replace(made, study=replace(study, pet=stored))


def _seen(made: Phantom, body: np.random.Generator | None, ct: np.random.Generator | None) -> Phantom:
    """The scan begins and ends anywhere; some have no CT."""
    grid = made.study.grid
    length = AxialOrder.of(grid).spacing(grid)[2]
    slices = grid.size[2]
    if body is not None and AxialOrder.of(grid).axes[2] == 2 and body.random() < _CUT:
        kept = int(body.uniform(min(_SHORTEST_MM / length, slices), slices))
        below = int(body.integers(0, slices - kept + 1))
        made = cut_short(made, below, slices - kept - below)
        left = set(np.unique(made.lesions).tolist())
        lesions = [
            {**lesion, "centre": [*lesion["centre"][:2], lesion["centre"][2] - below]}
            for lesion in made.facts["lesions"]
            if lesion["label"] in left
        ]
        size = made.study.grid
        moved = {**made.facts["grid"], "size": size.size, "origin": size.origin}
        made = replace(made, facts={**made.facts, "lesions": lesions, "grid": moved})
    if ct is not None and ct.random() < 0.12:
        made = replace(made, study=replace(made.study, ct=None))
    return made


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _shape(canvas: Canvas) -> tuple[int, int, int]:
    depth, height, width = canvas.tissue.shape
    return depth, height, width


def _step(canvas: Canvas) -> Sequence[float]:
    return [float(axis[-1] - axis[0]) / max(len(axis) - 1, 1) for axis in (canvas.z, canvas.y, canvas.x)]
