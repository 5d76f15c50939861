"""Draw the pictures of docs/report.md: a real PET, and a simulated PET/CT.

Run from the root of the project, with the folder of a study (SUV.nii.gz, SEG.nii.gz) and of a phantom (CTres.nii.gz,
SUV.nii.gz, lesions.nii.gz; `sam-pet phantom --layout folders --tracer fdg --seed 16 --grid 400x400x326@2.04x2.04x3`):

python docs/report_pictures.py STUDY PHANTOM
"""

from __future__ import annotations

import sys
from pathlib import Path

import sam_pet
from sam_pet import plots
from sam_pet.report import of_mask, pictures

HERE = Path(__file__).parent


def main(study: Path, phantom: Path) -> None:
    real = of_mask(sam_pet.read_study(None, study / "SUV.nii.gz"), study / "SEG.nii.gz")
    (HERE / "report_mip.png").write_bytes(plots.png(plots.mip(real.study, real.labels)))
    simulated = sam_pet.read_study(phantom / "CTres.nii.gz", phantom / "SUV.nii.gz")
    content = of_mask(simulated, phantom / "lesions.nii.gz")
    (HERE / "report_phantom.png").write_bytes(plots.png(plots.mip(simulated, content.labels)))
    (HERE / "report_slices.png").write_bytes(plots.png(pictures.slices(content, content.largest[:3])))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
