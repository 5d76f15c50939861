"""Where lesions sit: stations of lymph nodes, organs, bones, and beside hot organs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sam_pet.phantom.frame import Frame
from sam_pet.phantom.shapes import Point
from sam_pet.phantom.tissue import BONE, SOFT, Tissue, Tracer

Index = tuple[int, int, int]
# Centre and spread (mm) of each station; those off the midline exist on both sides.
_STATIONS: dict[str, tuple[tuple[Point, Point], ...]] = {
    "cervical node": (((44, 6, 615), (8, 8, 22)),),
    "supraclavicular node": (((52, 4, 568), (14, 8, 8)),),
    "axillary node": (((124, 10, 500), (12, 14, 22)),),
    "mediastinal node": (((0, 2, 490), (16, 14, 28)),),
    "hilar node": (((38, 10, 468), (7, 9, 12)),),
    "mesenteric node": (((0, -38, 190), (38, 14, 38)),),
    "retroperitoneal node": (((16, 8, 215), (10, 9, 48)),),
    "iliac node": (((58, 0, 72), (9, 12, 24)),),
    "presacral node": (((0, 46, 62), (12, 6, 24)),),
    "inguinal node": (((72, -64, 0), (9, 8, 16)),),
}
_WEIGHTS: dict[Tracer, dict[str, float]] = {
    "fdg": {
        "cervical node": 7,
        "supraclavicular node": 4,
        "axillary node": 6,
        "mediastinal node": 11,
        "hilar node": 5,
        "mesenteric node": 4,
        "retroperitoneal node": 7,
        "iliac node": 4,
        "presacral node": 1,
        "inguinal node": 3,
        "lung": 14,
        "liver": 8,
        "spleen": 2,
        "bone": 14,
        "soft tissue": 7,
        "adrenal": 1.5,
        "bowel": 1.5,
        "pleura": 2,
        "beside": 7,
    },
    "psma": {
        "supraclavicular node": 3,
        "mediastinal node": 3,
        "retroperitoneal node": 10,
        "iliac node": 18,
        "presacral node": 5,
        "inguinal node": 1,
        "bone": 42,
        "prostate": 14,
        "lung": 2,
        "liver": 1.5,
        "soft tissue": 0.5,
        "beside": 8,
    },
}
_HOT: dict[Tracer, tuple[Tissue, ...]] = {
    "fdg": (
        Tissue.BLADDER,
        Tissue.KIDNEY,
        Tissue.HEART,
        Tissue.URINE,
        Tissue.LIVER,
        Tissue.COLON,
        Tissue.MUCOSA,
        Tissue.BRAIN,
    ),
    "psma": (
        Tissue.BLADDER,
        Tissue.BLADDER,
        Tissue.KIDNEY,
        Tissue.SALIVARY,
        Tissue.URINE,
        Tissue.URINE,
        Tissue.LIVER,
        Tissue.DUODENUM,
        Tissue.SPLEEN,
    ),
}
LIVING = tuple(
    t
    for t in Tissue
    if t
    not in (
        Tissue.OUTSIDE,
        Tissue.GAS,
        Tissue.AIRWAY,
        Tissue.BLADDER,
        Tissue.URINE,
        Tissue.CSF,
        Tissue.EYE,
        Tissue.METAL,
    )
)
_SOLID = (
    *SOFT,
    Tissue.CARTILAGE,
    Tissue.REACTIVE_NODE,
    Tissue.PANCREAS,
    Tissue.ACTIVE_MUSCLE,
    Tissue.BREAST,
    Tissue.SKIN,
    Tissue.GANGLION,
)
# Tissues a lesion of a site may grow into.
_GROUND: dict[str, tuple[Tissue, ...]] = {
    "lung": (Tissue.LUNG, Tissue.BLOOD, Tissue.VISCERAL_FAT),
    "pleura": (Tissue.LUNG, Tissue.MUSCLE, Tissue.VISCERAL_FAT),
    "liver": (Tissue.LIVER,),
    "spleen": (Tissue.SPLEEN,),
    "bone": (*BONE, Tissue.CARTILAGE),
    "prostate": (Tissue.PROSTATE, *SOFT),
    "adrenal": (Tissue.ADRENAL, *SOFT),
    "bowel": (Tissue.COLON, Tissue.ILEUM, Tissue.STOMACH, Tissue.CONTENTS, *SOFT),
}
_INSIDE: dict[str, tuple[Tissue, ...]] = {
    "lung": (Tissue.LUNG,),
    "liver": (Tissue.LIVER,),
    "spleen": (Tissue.SPLEEN,),
    "bone": (Tissue.MARROW,),
    "soft tissue": (Tissue.MUSCLE, Tissue.FAT),
    "adrenal": (Tissue.ADRENAL,),
    "bowel": (Tissue.COLON, Tissue.ILEUM, Tissue.STOMACH),
    "prostate": (Tissue.PROSTATE,),
}


def ground(site: str, rng: np.random.Generator) -> tuple[Tissue, ...]:
    """The tissues that a lesion at this site may replace; some bone lesions break out of the bone."""
    if site == "bone" and rng.random() < 0.3:
        return (*_GROUND["bone"], *SOFT)
    return _GROUND.get(site, _SOLID)


def site_of(tissue: int) -> str:
    """The site that a voxel of this tissue belongs to, for lesions grown at given voxels."""
    for site, tissues in _INSIDE.items():
        if tissue in tissues:
            return site
    return "bone" if tissue in BONE else "soft tissue"


@dataclass
class Sites:
    """Draws centres (array index) of lesions in a finished tissue map."""

    tissue: npt.NDArray[np.uint8]
    frame: Frame
    tracer: Tracer
    head_shift: float
    weights: dict[str, float]
    _voxels: dict[tuple[Tissue, ...], npt.NDArray[np.int64]] = field(default_factory=dict)

    @classmethod
    def draw(
        cls, tissue: npt.NDArray[np.uint8], frame: Frame, tracer: Tracer, head_shift: float, rng: np.random.Generator
    ) -> Sites:
        """Weights of the sites as one patient's disease has them: some sites only, others not at all."""
        base = _WEIGHTS[tracer]
        weights = {site: w * float(rng.gamma(0.6)) for site, w in base.items()}
        return cls(tissue, frame, tracer, head_shift, weights)

    def pick(
        self, radius_mm: float, rng: np.random.Generator, *, mass: bool = False, tries: int = 25
    ) -> tuple[str, Index] | None:
        """A site and the centre of a lesion of about this radius, or None if nothing in view fits.

        A `mass` lies in the soft tissues.
        """
        names = list(self.weights)
        chances = np.array([self.weights[n] for n in names]) + 1e-6
        for _ in range(0 if mass else tries):
            site = names[int(rng.choice(len(names), p=chances / chances.sum()))]
            centre = self._centre(site, radius_mm, rng)
            if centre is not None and self.tissue[centre] in ground(site, rng):
                return site, centre
        centre = self._inside((Tissue.MUSCLE, Tissue.VISCERAL_FAT), rng)
        return None if centre is None else ("soft tissue", centre)

    def _centre(self, site: str, radius_mm: float, rng: np.random.Generator) -> Index | None:
        if site in _STATIONS:
            options = _STATIONS[site]
            middle, spread = options[int(rng.integers(len(options)))]
            point = rng.normal(middle, spread)
            if middle[0]:
                point[0] *= rng.choice((-1, 1))
            return self._at((float(point[0]), float(point[1]), float(point[2])))
        if site == "beside":
            return self._beside(radius_mm, rng)
        if site == "pleura":
            return self._next_to(Tissue.LUNG, 0.0, rng)
        if site == "prostate" and not (self.tissue == Tissue.PROSTATE).any():
            x, y, z = rng.normal((0, 6, 2), (10, 8, 8))
            return self._at((float(x), float(y), float(z)))
        if site == "bone":
            for _ in range(8):
                found = self._inside(_INSIDE[site], rng)
                # Red marrow: trunk, skull, and the upper ends of the long bones.
                if found is not None and (self.frame.z[found[0]] > -90 or rng.random() < 0.1):
                    return found
            return None
        return self._inside(_INSIDE[site], rng)

    def _at(self, point: Point) -> Index | None:
        lift = self.head_shift * float(np.clip((point[2] - 560) / 110, 0, 1))
        index = self.frame.index((point[0], point[1] - lift, point[2]))
        inside = all(0 <= i < n for i, n in zip(index, self.tissue.shape, strict=True))
        return index if inside else None

    def _inside(self, tissues: tuple[Tissue, ...], rng: np.random.Generator) -> Index | None:
        if tissues not in self._voxels:
            self._voxels[tissues] = np.flatnonzero(np.isin(self.tissue, tissues))
        voxels = self._voxels[tissues]
        if not len(voxels):
            return None
        z, y, x = np.unravel_index(int(voxels[rng.integers(len(voxels))]), self.tissue.shape)
        return int(z), int(y), int(x)

    def _beside(self, radius_mm: float, rng: np.random.Generator) -> Index | None:
        hot = _HOT[self.tracer]
        return self._next_to(hot[int(rng.integers(len(hot)))], radius_mm + float(rng.uniform(0.5, 7.0)), rng)

    def _next_to(self, organ: Tissue, distance_mm: float, rng: np.random.Generator) -> Index | None:
        start = self._inside((organ,), rng)
        if start is None:
            return None
        heading = rng.normal(size=3)
        heading /= np.linalg.norm(heading)
        step = heading / np.array(self.frame.spacing[::-1])
        left: float | None = None
        for mm in np.arange(0.0, 120.0, 1.5):
            z, y, x = np.rint(start + mm * step).astype(int)
            if not all(0 <= i < n for i, n in zip((z, y, x), self.tissue.shape, strict=True)):
                return None
            if left is None and self.tissue[z, y, x] != organ:
                left = float(mm)
            if left is not None and mm >= left + distance_mm:
                return int(z), int(y), int(x)
        return None
