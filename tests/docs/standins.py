"""What the pages' commands find in their folder, and what is run in place of long ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.files import write_image, write_json
from sam_pet.geometry import Grid
from sam_pet.phantom import Tissue, make_phantom
from sam_pet.phantom.frame import parse_grid
from tests.dicom.make import pet_tags, save, slices
from tests.docs.blocks import ROOT

# The voxels that the pages click on.
CENTRES = ((163, 118, 123), (20, 24, 10))
_TINY_RUN = (
    "train='[{folder: cases}]' stages='[{steps: 1, batch: 1, length: 2}]' workers=0 "
    "contour=null appearance=null classifier=null ranker=null"
)
_TINY_LORA = f"{_TINY_RUN} base=nano-untrained image_size=64 validation=null precision=no"
_SMALL_GRID = "--grid 60x60x90@8x8x11"
# Run in place of what would take minutes or gigabytes: fewer or smaller studies, or one step of training.
SMALL = {
    "sam-pet phantom --out patients --n 1 --seed 16 --tracer fdg --layout folders --grid 168x168x250@4.07x4.07x4": (
        f"sam-pet phantom --out patients --n 1 --seed 16 --tracer fdg --layout folders {_SMALL_GRID}"
    ),
    "sam-pet phantom --out phantoms --n 20 --seed 0": f"sam-pet phantom --out phantoms --n 2 --seed 0 {_SMALL_GRID}",
    "sam-pet phantom --out phantoms --n 5 --tracer fdg --layout folders": (
        f"sam-pet phantom --out folders --n 1 --tracer fdg --layout folders {_SMALL_GRID}"
    ),
    "sam-pet phantom --out data/phantoms --n 44 --seed 5000 --tracer mixed --layout folders": (
        f"sam-pet phantom --out data/phantoms --n 1 --seed 5000 --tracer mixed --layout folders {_SMALL_GRID}"
    ),
    "sam-pet evaluate --cases cases --method sam-pet --method threshold41 --method geodesic --reader scribble-mixed "
    "--start click --steps 2 --out results": (
        "sam-pet evaluate --cases cases --method threshold41 --method geodesic --reader scribble-mixed "
        "--start click --steps 1 --out results"
    ),
    "sam-pet batch --studies cohort.csv --out results --workers 2": (
        "sam-pet batch --studies cohort.csv --out results --workers 1"
    ),
    "sam-pet train finetune/tiny.yaml": f"sam-pet train finetune/tiny.yaml {_TINY_RUN}",
    "sam-pet train finetune/tiny.yaml out=runs/tiny": f"sam-pet train finetune/tiny.yaml out=runs/tiny {_TINY_RUN}",
    "sam-pet train finetune/tiny.yaml out=runs/mine train.0.phantoms=null train.0.folder=data/mine": (
        # In runs/mine stands a model for all pages, which no run made.
        f"sam-pet train finetune/tiny.yaml {_TINY_RUN} out=runs/own train.0.phantoms=null train.0.folder=data/mine"
    ),
    "sam-pet finetune finetune/nano_phantom.yaml": f"sam-pet finetune finetune/nano_phantom.yaml {_TINY_RUN}",
    "sam-pet finetune finetune/tiny.yaml out=runs/tracker": (
        f"sam-pet finetune finetune/tiny.yaml out=runs/tracker {_TINY_RUN}"
    ),
    "sam-pet finetune finetune/sts_lora.yaml base=nano-untrained 'train=[{folder: data/mine}]' validation=null "
    "out=runs/lora": (f"sam-pet finetune finetune/sts_lora.yaml out=runs/lora {_TINY_LORA}"),
    "sam-pet finetune finetune/sts_lora.yaml base=default out=runs/sts-lora validation=null": (
        f"sam-pet finetune finetune/sts_lora.yaml out=runs/sts-lora {_TINY_LORA}"
    ),
    "sam-pet evaluate --cases data/sts --out runs/sts-lora-eval --reader scribble-mixed --start click --method sam-pet "
    "--method sam-pet:runs/sts-lora/checkpoint --method sam-pet:runs/sts-merged "
    "--names STS_021,STS_022,STS_023,STS_024,STS_025,STS_026,STS_027,"
    "STS_028,STS_029,STS_030,STS_031": (
        "sam-pet evaluate --cases cases --out runs/sts-lora-eval --reader scribble-mixed --start click --steps 1 "
        "--method threshold41 --method sam-pet:runs/sts-lora/checkpoint"
    ),
    "sam-pet train finetune/autopet_lora.yaml": f"sam-pet train finetune/autopet_lora.yaml {_TINY_LORA}",
}
# Not run at all, each for its reason.
NOT_RUN = {
    "sam-pet serve STUDY": "a server runs until it is stopped; tests/app/test_serve.py starts it",
    "sam-pet serve": "the same",
    "sam-pet serve --dicomweb http://127.0.0.1:8042/dicom-web/": "the same; tests/app has a PACS",
    "sam-pet mcp --studies cohort --transport http": "serves until it is ended; tests/mcp/test_reading.py starts it",
    "sam-pet train finetune/classifier.yaml": "an hour, on organ maps; tests/train/test_course.py keeps a base's "
    "first trees on a small course, tests/train/test_store.py paints on maps",
    "sam-pet serve /data/studies --port 8123 --no-browser --allow-host pet.example.org --reader anna --reader ben": (
        "serves until it is ended; tests/app/test_kill.py starts and ends one"
    ),
    "sam-pet models fetch sam2.1-hiera-tiny": "needs the hub; tests/models/test_hub.py fetches from one of its own",
    "sam-pet segment --pet suv.nii.gz --ct ct.nii.gz --detector nnunet/ --out out.nii.gz": (
        "needs a trained folder; tests/detection/test_nnunet.py trains one and runs this"
    ),
    "sam-pet models convert MedSAM2_latest.pt medsam2/": (
        "needs foreign weights; tests/models/test_convert.py makes some of that form"
    ),
    "accelerate launch --config_file finetune/accelerate_8gpu.yaml finetune/launch.py finetune/autopet_full.yaml": (
        "eight GPUs; tests/train/test_distributed.py launches two processes"
    ),
}
# Takes long and leaves the same wherever it stands: once is enough.
ONCE = {"sam-pet demo --out demo"}


def write_files(folder: Path) -> None:
    """The files that the pages name, small: a warm body with two hot balls, as studies, cases, cohort and DICOM."""
    grid = Grid((170, 130, 130), (4.0, 4.0, 4.0))
    pet = hot_balls(grid)
    images = {
        "suv": pet,
        "ct": body_with_air(grid),
        "truth": (pet > 5).astype(np.uint8),
        "mask": (pet > 7.5).astype(np.uint8),
    }
    for name, array in images.items():
        write_image(grid.image(array), folder / f"{name}.nii.gz")
    small = Grid((64, 48, 40), (4.0, 4.0, 4.0))
    for case in ("cases/one", "data/mine/one", "cohort/anna", "cohort/bert"):
        balls = hot_balls(small)
        write_image(small.image(balls), folder / case / "SUV.nii.gz")
        write_image(small.image(body_with_air(small)), folder / case / "CTres.nii.gz")
        if "cohort" not in case:
            write_image(small.image((balls > 5).astype(np.uint8)), folder / case / "SEG.nii.gz")
    write_json({"tumor": [list(CENTRES[1])]}, folder / "cohort" / "anna" / "prompts.json")
    write_json({"tumor": [list(CENTRES[1])]}, folder / "cohort" / "bert" / "prompts.json")
    for name in ("anna", "bert"):
        shutil.copytree(folder / "cohort" / name, folder / name)
    write_json({"tumor": [list(voxel) for voxel in CENTRES]}, folder / "clicks.json")
    write_dicom(folder / "dicom")
    write_anatomy(folder)
    write_adapter(folder / "adapter")
    shutil.copytree(ROOT / "finetune", folder / "finetune")
    shutil.copytree(ROOT / "checkpoints" / "default", folder / "runs" / "mine" / "checkpoint")


def hot_balls(grid: Grid) -> npt.NDArray[np.float32]:
    z, y, x = np.ogrid[tuple(slice(n) for n in grid.shape)]
    pet = np.full(grid.shape, 0.8, np.float32)
    for cx, cy, cz in CENTRES:
        away = np.sqrt((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) * 4.0
        pet = np.where(away < 14, np.float32(9.0) - np.float32(0.1) * away.astype(np.float32), pet)
    return pet


def body_with_air(grid: Grid) -> npt.NDArray[np.int16]:
    """A CT of 40 HU, with air in front."""
    hounsfield = np.full(grid.shape, 40, np.int16)
    hounsfield[:, :4] = -1000
    return hounsfield


def write_dicom(folder: Path) -> None:
    """The balls once more, as a CT and a PET series."""
    grid = Grid((170, 130, 130), (4.0, 4.0, 4.0))
    # Bq/mL of an SUV of 1: 350 MBq with a half-life of 2 h, in 70 kg after an hour.
    per_suv = 350e6 / 70e3 / 2**0.5
    stored = np.round(hot_balls(grid) * 3000).astype(np.int16)
    place: dict[str, Any] = {"spacing": grid.spacing, "origin": grid.origin}
    save(slices(stored, "PT", slopes=round(per_suv / 3000, 6), **place, **pet_tags()), folder / "pet")
    save(slices(body_with_air(grid), "CT", **place), folder / "ct")


def write_anatomy(folder: Path) -> None:
    """An organ map as real ones are coded, and strokes in its liver."""
    made = make_phantom(3, "psma", parse_grid("80x60x110@7x7x8.5"))
    organs = np.where(made.organs <= 10, made.organs, 0).astype(np.uint8)
    write_image(made.study.grid.image(organs), folder / "organs.nii.gz")
    z, y, x = (int(v) for v in np.argwhere(organs == Tissue.LIVER).mean(axis=0))
    points = [{"point": [x, y, z], "name": "tumor"}]
    write_json({"type": "Multiple points", "points": points}, folder / "lesion-clicks.json")


def write_adapter(folder: Path) -> None:
    """A LoRA adapter of the untrained nano that has learned nothing."""
    from peft import LoraConfig, get_peft_model

    from sam_pet.models import load_model, save_adapter

    base = load_model("nano-untrained")
    record = base.record.model_copy(update={"name": "adapter"})
    save_adapter(get_peft_model(base.model, LoraConfig(r=2, target_modules=["q_proj"])), base, record, folder)
