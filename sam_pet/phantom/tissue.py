"""The tissues a phantom is made of, and how they look in CT and PET.

Codes 1 to 10 are those of the organ maps that `make_phantom(anatomy=...)` takes. Uptake is the mean SUV over
patients. Values are rounded from what is usually reported for healthy organs: FDG at one hour; PSMA-11
(gallium-68, excreted with the urine) and PSMA-1007 (fluorine-18, excreted with the bile) at one to two hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

Tracer = Literal["fdg", "psma"]


class Tissue(IntEnum):
    """Values of the tissue map; 0 is outside the body."""

    OUTSIDE = 0
    SPLEEN = 1
    KIDNEY = 2
    LIVER = 3
    BLADDER = 4
    LUNG = 5
    BRAIN = 6
    HEART = 7
    STOMACH = 8
    PROSTATE = 9
    SALIVARY = 10
    WHITE_MATTER = 11
    CSF = 12
    URINE = 13
    JEJUNUM = 14
    ILEUM = 15
    COLON = 16
    CONTENTS = 17
    GAS = 18
    BLOOD = 19
    MARROW = 20
    CORTEX = 21
    CARTILAGE = 22
    FAT = 23
    MUSCLE = 24
    VISCERAL_FAT = 25
    AIRWAY = 26
    LACRIMAL = 27
    THYROID = 28
    MUCOSA = 29
    GALLBLADDER = 30
    PANCREAS = 31
    DUODENUM = 32
    ADRENAL = 33
    BREAST = 34
    GONAD = 35
    UTERUS = 36
    BROWN_FAT = 37
    JOINT = 38
    GANGLION = 39
    EYE = 40
    LARYNX = 41
    ACTIVE_MUSCLE = 42
    SKIN = 43
    CORD = 44
    INJECTION = 45
    REACTIVE_NODE = 46
    METAL = 47
    OESOPHAGUS = 48


@dataclass(frozen=True)
class Look:
    """HU without and with contrast medium, mean SUV by tracer, spread between patients and texture within.

    Both spreads are standard deviations of the logarithm.
    """

    hu: float
    hu_contrast: float
    fdg: float
    psma11: float
    psma1007: float
    between: float
    within: float


T = Tissue
LOOKS: dict[Tissue, Look] = {
    T.SPLEEN: Look(48, 118, 1.9, 7.0, 9.0, 0.30, 0.06),
    T.KIDNEY: Look(34, 175, 2.4, 36.0, 17.0, 0.30, 0.14),
    T.LIVER: Look(56, 106, 2.3, 4.8, 11.0, 0.22, 0.06),
    T.BLADDER: Look(5, 8, 13.0, 17.0, 3.0, 0.75, 0.03),
    T.LUNG: Look(-810, -800, 0.42, 0.40, 0.45, 0.20, 0.22),
    T.BRAIN: Look(37, 42, 9.0, 0.35, 0.35, 0.25, 0.12),
    T.HEART: Look(45, 115, 3.8, 1.6, 1.9, 0.85, 0.16),
    T.STOMACH: Look(40, 75, 2.1, 2.6, 3.0, 0.30, 0.30),
    T.PROSTATE: Look(40, 60, 1.8, 3.0, 3.2, 0.25, 0.18),
    T.SALIVARY: Look(10, 35, 2.0, 15.0, 19.0, 0.35, 0.12),
    T.WHITE_MATTER: Look(29, 33, 3.6, 0.25, 0.25, 0.22, 0.08),
    T.CSF: Look(6, 8, 0.9, 0.20, 0.20, 0.2, 0.05),
    T.URINE: Look(8, 20, 9.0, 30.0, 5.0, 0.70, 0.25),
    T.JEJUNUM: Look(35, 70, 1.6, 6.5, 7.0, 0.40, 0.45),
    T.ILEUM: Look(35, 65, 1.7, 2.2, 2.6, 0.40, 0.40),
    T.COLON: Look(40, 65, 2.0, 1.6, 1.8, 0.45, 0.55),
    T.CONTENTS: Look(25, 35, 0.7, 0.7, 0.8, 0.30, 0.40),
    T.GAS: Look(-900, -900, 0.25, 0.2, 0.2, 0.2, 0.1),
    T.BLOOD: Look(42, 150, 1.7, 1.5, 2.3, 0.20, 0.03),
    T.MARROW: Look(190, 200, 1.25, 0.70, 1.0, 0.28, 0.16),
    T.CORTEX: Look(680, 680, 0.65, 0.45, 0.60, 0.25, 0.20),
    T.CARTILAGE: Look(90, 95, 0.7, 0.5, 0.6, 0.2, 0.10),
    T.FAT: Look(-102, -100, 0.28, 0.26, 0.28, 0.25, 0.25),
    T.MUSCLE: Look(50, 62, 0.68, 0.60, 0.70, 0.18, 0.15),
    T.VISCERAL_FAT: Look(-98, -92, 0.50, 0.45, 0.50, 0.25, 0.30),
    T.AIRWAY: Look(-960, -960, 0.25, 0.25, 0.25, 0.2, 0.05),
    T.LACRIMAL: Look(30, 45, 1.8, 6.5, 8.0, 0.35, 0.10),
    T.THYROID: Look(90, 150, 1.5, 1.3, 1.5, 0.35, 0.10),
    T.MUCOSA: Look(45, 70, 3.4, 2.4, 3.0, 0.40, 0.25),
    T.GALLBLADDER: Look(8, 12, 0.9, 2.5, 32.0, 0.60, 0.05),
    T.PANCREAS: Look(38, 85, 1.6, 2.2, 2.8, 0.22, 0.12),
    T.DUODENUM: Look(35, 70, 1.9, 9.5, 10.0, 0.35, 0.30),
    T.ADRENAL: Look(25, 65, 1.9, 2.6, 3.2, 0.30, 0.10),
    T.BREAST: Look(-45, -35, 0.75, 0.55, 0.6, 0.30, 0.30),
    T.GONAD: Look(35, 45, 2.0, 0.8, 0.9, 0.30, 0.12),
    T.UTERUS: Look(45, 90, 2.0, 1.2, 1.4, 0.40, 0.18),
    T.BROWN_FAT: Look(-85, -80, 6.0, 0.4, 0.4, 0.45, 0.45),
    T.JOINT: Look(120, 130, 2.3, 1.3, 1.8, 0.35, 0.30),
    T.GANGLION: Look(30, 45, 1.2, 2.4, 3.0, 0.25, 0.10),
    T.EYE: Look(15, 15, 1.1, 0.5, 0.5, 0.2, 0.05),
    T.LARYNX: Look(60, 80, 2.1, 1.2, 1.4, 0.45, 0.20),
    T.ACTIVE_MUSCLE: Look(52, 64, 2.2, 0.75, 0.85, 0.40, 0.25),
    T.SKIN: Look(-20, -10, 0.60, 0.50, 0.55, 0.2, 0.1),
    T.CORD: Look(30, 35, 1.6, 0.4, 0.5, 0.2, 0.1),
    T.INJECTION: Look(30, 40, 12.0, 9.0, 9.0, 0.8, 0.3),
    T.REACTIVE_NODE: Look(35, 70, 2.2, 1.6, 2.0, 0.35, 0.15),
    T.OESOPHAGUS: Look(38, 60, 1.5, 1.1, 1.4, 0.25, 0.20),
    T.METAL: Look(3000, 3000, 0.3, 0.25, 0.3, 0.2, 0.1),
}
del T

SOFT = (Tissue.FAT, Tissue.VISCERAL_FAT, Tissue.MUSCLE)
BONE = (Tissue.MARROW, Tissue.CORTEX)
ORGAN_NAMES: dict[int, str] = {t.value: t.name.lower() for t in Tissue if t != Tissue.OUTSIDE}


def members(*tissues: Tissue) -> npt.NDArray[np.bool_]:
    """A look-up table: which codes are among `tissues`."""
    table = np.zeros(256, bool)
    table[list(tissues)] = True
    return table
