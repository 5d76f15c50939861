"""`sam-pet demo`: the main job on a simulated study, with nothing but the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

SEED, PICTURE = 7, "demo.png"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the study, the session and a picture.")],
    model: Annotated[str, typer.Option(help="As for `segment`.")] = "default",
    device: Annotated[str, typer.Option(help="As for `segment`.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Click the lesions of a simulated PET/CT, correct with one scribble, and draw what came of it."""
    from sam_pet.audit.seal import require_own
    from sam_pet.errors import InputError
    from sam_pet.files import require_folder
    from sam_pet.session.files import SESSION

    require_folder(out / "session")
    require_own(out / "session", SESSION)
    for name in ("SUV.nii.gz", "CTres.nii.gz", "SEG.nii.gz"):
        # They are also what a patient's files are called.
        if (out / name).exists() and not (out / PICTURE).exists():
            raise InputError(f"cannot write {out / name}: it is of no earlier demo; give another --out")

    import time

    import numpy as np
    from scipy.ndimage import distance_transform_edt

    from sam_pet.audit import Actor
    from sam_pet.demo import demo_study, picture
    from sam_pet.files import write_image
    from sam_pet.progress import steps
    from sam_pet.readers.scribbles import draw_scribble
    from sam_pet.scores import score
    from sam_pet.segmenter import Segmenter

    study, lesions = demo_study(SEED)
    segmenter = Segmenter.from_pretrained(model, device)
    segmenter.warn_of_weights()
    truth = (lesions > 0).astype(np.uint8)
    session = segmenter.open(study)
    session.history.actor = Actor("simulated reader", "click in the middle of each lesion, then a centerline scribble")
    started = time.perf_counter()
    for number in steps(range(1, int(lesions.max()) + 1), "clicks"):
        depth = distance_transform_edt(lesions == number, sampling=study.grid.spacing[::-1])
        z, y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        session.add_click((int(x), int(y), int(z)))
    clicked = score(session.array, truth, study.grid.spacing).dice
    stroke = draw_scribble(session.array, truth, "centerline")
    if stroke is not None:
        session.add(stroke.prompt)
    seconds = time.perf_counter() - started
    corrected = score(session.array, truth, study.grid.spacing).dice

    # First: it tells the next demo whose the other files are.
    picture(session, truth, out / PICTURE)
    write_image(study.grid.image(study.pet), out / "SUV.nii.gz")
    if study.ct is not None:
        write_image(study.grid.image(study.ct.astype(np.int16)), out / "CTres.nii.gz")
    write_image(study.grid.image(truth), out / "SEG.nii.gz")
    session.save(out / "session")
    result = {
        "simulated": True,
        "lesions": len(session.lesions),
        "dice_after_clicks": clicked,
        "dice_after_scribble": corrected,
        "seconds": round(seconds, 3),
        "model": segmenter.record.name,
        "trained": segmenter.record.trained,
        "picture": str(out / PICTURE),
    }
    if as_json:
        print(json.dumps(result))
        return
    from rich.console import Console

    console = Console()
    console.print(
        f"simulated study, {result['lesions']} lesions: Dice {clicked:.2f} after a click each, "
        f"{corrected:.2f} after one scribble, {seconds:.1f} s",
        highlight=False,
    )
    console.print(f"picture: {result['picture']}", highlight=False, soft_wrap=True)
