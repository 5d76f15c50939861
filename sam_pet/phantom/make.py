"""One simulated study from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.geometry import AxialOrder, Grid, Voxel
from sam_pet.phantom.anatomy import OrganMap, fit, paste
from sam_pet.phantom.benign import draw_benign
from sam_pet.phantom.body import draw_body, wall
from sam_pet.phantom.bones import draw_bones
from sam_pet.phantom.frame import Frame, challenge_grid, place
from sam_pet.phantom.lesions import LesionScene, grow_at, grow_given, grow_lesions
from sam_pet.phantom.organs import draw_organs
from sam_pet.phantom.patients import RealLesion
from sam_pet.phantom.scanner import (
    AIR,
    activity,
    ct_image,
    hounsfield,
    pet_image,
    table_top,
)
from sam_pet.phantom.shapes import Box, Canvas, Floats, smooth_noise
from sam_pet.phantom.sites import Sites
from sam_pet.phantom.tissue import ORGAN_NAMES, Tissue, Tracer
from sam_pet.phantom.world import World
from sam_pet.study import Study

# Half of the FDG cases of the challenge show no lesion, about a tenth of the PSMA ones.
_LESION_FREE: dict[Tracer, float] = {"fdg": 0.5, "psma": 0.1}
_REACH = ((-345.0, -215.0), (345.0, 200.0))


@dataclass(frozen=True)
class Phantom:
    """A simulated study and its truth, arrays [z, y, x] on the study's grid.

    Attributes:
        study: PET (SUV) and CT (HU).
        lesions: uint16, one number a lesion, 0 elsewhere; lesions do not touch (18-neighbours).
        organs: uint8, the `Tissue` in every voxel as it was before lesions grew into it, 0 outside the body.
        facts: everything needed to know that and how it was simulated, for JSON.

    Examples:
        >>> from sam_pet.demo import small_phantom
        >>> phantom = small_phantom()
        >>> int(phantom.lesions.max()), phantom.facts["tracer"]
        (5, 'fdg')
    """

    study: Study
    lesions: npt.NDArray[np.uint16]
    organs: npt.NDArray[np.uint8]
    facts: dict[str, Any]


def make_phantom(
    seed: int,
    tracer: Tracer = "fdg",
    grid: Grid | None = None,
    *,
    lesion_free: bool | None = None,
    anatomy: sitk.Image | None = None,
    seeds: list[Voxel] | None = None,
    lesions: Sequence[RealLesion] | None = None,
    world: World | None = None,
) -> Phantom:
    """A whole-body PET/CT study with its lesions; the same arguments give the same bytes.

    Args:
        seed: of every random choice.
        tracer: "fdg" or "psma".
        grid: any grid; without it, one of the challenge's for the tracer (400 x 400 x 326 at 2.04 x 2.04 x 3 mm ...).
            A short grid shows part of the trunk.
        lesion_free: whether there are no lesions; drawn as often as in the challenge if None.
        anatomy: a real organ map (1 spleen, 2 kidneys, 3 liver, 4 bladder, 5 lungs, 6 brain, 7 heart, 8 stomach,
            9 prostate, 10 head glands) to use instead of drawn organs; its grid replaces `grid`.
        seeds: voxels (x, y, z) at which lesions grow, one lesion for each connected group, instead of drawn places.
        lesions: lesions with their places, volumes and uptake, instead of drawn ones. Those outside the body's box
            or where another one is are left out.
        world: where the other settings come from; the usual ones if None.

    Raises:
        InputError: the organ map has no lungs, or a seed lies outside the grid or the body.

    Examples:
        >>> from sam_pet.phantom import make_phantom
        >>> from sam_pet.phantom.frame import parse_grid
        >>> phantom = make_phantom(7, "psma", parse_grid("60x60x90@8x8x11"), lesion_free=True)
        >>> phantom.study.grid.size, int(phantom.lesions.max())
        ((60, 60, 90), 0)
    """
    streams = iter(np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(10))
    world = world or World()
    patient = world.patient(tracer, next(streams))
    placing = next(streams)
    organ_map = None if anatomy is None else OrganMap.of(anatomy)
    if organ_map is not None:
        grid = organ_map.grid
    elif grid is None:
        grid = challenge_grid(tracer, placing)
    order = AxialOrder.of(grid)
    head_shift = float(np.clip(placing.normal(34.0, 16.0), -5.0, 75.0))
    if organ_map is None:
        whole = place(grid, patient, placing)
    else:
        whole, head_shift = fit(organ_map, head_shift)
    box = _body_box(whole)
    frame = Frame(whole.x[box[2]], whole.y[box[1]], whole.z[box[0]], whole.spacing)

    texture = next(streams)
    shape = (len(frame.z), len(frame.y), len(frame.x))
    step = frame.spacing[::-1]
    bump = smooth_noise(texture, shape, step, 38.0)
    fine = smooth_noise(texture, shape, step, 9.0)
    canvas = Canvas.empty(frame.x, frame.y, frame.z, bump)
    drawing = next(streams)
    profile = wall(canvas, patient) if organ_map is None else organ_map.wall(box, wall(canvas, patient))
    draw_body(canvas, patient, profile, drawing)
    draw_bones(canvas, patient, profile, drawing)
    draw_organs(canvas, patient, profile, tracer, drawing, () if organ_map is None else organ_map.tissues)
    benign = draw_benign(canvas, patient, tracer, next(streams))
    benign += [what for what in world.more_benign(canvas, patient) if what not in benign]
    _bend(canvas, frame, head_shift, texture, calm=organ_map is not None)
    if organ_map is not None:
        paste(canvas, organ_map, box, drawing)
    inside = None if seeds is None else _inside_box(seeds, order, grid, box)
    placed = [(lesion, voxels) for lesion in lesions or () if len(voxels := _within(lesion, order, grid, box))]
    if inside is not None:
        _pad(canvas, inside, step)
    if placed:
        _pad(canvas, np.concatenate([voxels[::4] for _, voxels in placed]), step)
    whole_box = box

    box, canvas, fine = _cropped(box, canvas, fine)
    frame = Frame(canvas.x, canvas.y, canvas.z, frame.spacing)

    imaging = next(streams)
    scanner = world.scanner(imaging)
    bmi = patient.weight_kg / (patient.height_cm / 100) ** 2
    ligand, table = world.uptake(tracer, bmi, imaging)
    hu = hounsfield(canvas, patient.contrast, fine)
    uptake = activity(canvas, table, world.textures(), fine)
    world.change_uptake(canvas, uptake)
    world.change_density(canvas, hu)
    scene = LesionScene(
        tissue=canvas.tissue,
        uptake=uptake,
        hu=hu,
        labels=np.zeros(canvas.tissue.shape, np.uint16),
        spacing=frame.spacing,
        fwhm_mm=scanner.fwhm_mm,
        contrast=patient.contrast,
        tracer=tracer,
    )
    disease = next(streams)
    if lesion_free is None:
        lesion_free = bool(disease.random() < _LESION_FREE[tracer])
    burden = world.burden(tracer, lesion_free, disease)
    moved = [w.start - b.start for w, b in zip(whole_box, box, strict=True)]
    if lesions is not None:
        given = [(v + moved, one.volume_ml, one.suv_mean, one.look) for one, v in placed]
        found = grow_given(scene, [g for g in given if _fits(g[0], canvas)], disease)
    elif inside is not None:
        found = grow_at(scene, inside + moved, burden, disease)
    else:
        sites = Sites.draw(canvas.tissue, frame, tracer, head_shift, disease)
        found = grow_lesions(scene, sites, burden, disease)
    _lay_on_table(canvas, hu)

    with ThreadPoolExecutor(2) as pool:
        pet_made = pool.submit(pet_image, scene.uptake, canvas, frame.spacing, scanner, next(streams))
        ct_made = pool.submit(ct_image, hu, canvas, frame.spacing, scanner, next(streams))
        pet, ct = pet_made.result(), ct_made.result()
    study = Study(
        pet=_stored(pet, grid, box, order, 0.0),
        ct=_stored(ct, grid, box, order, AIR),
        grid=grid,
    )
    labels = _stored(scene.labels, grid, box, order, 0)
    for lesion in found:
        lesion["centre"] = _stored_centre(lesion["centre"], box, order)
        inside = pet[scene.labels == lesion["label"]]
        lesion["suv_max"], lesion["suv_mean"] = round(float(inside.max()), 3), round(float(inside.mean()), 3)
    facts = {
        "simulated": True,
        "made_by": "sam_pet.phantom",
        "seed": seed,
        "tracer": tracer,
        "ligand": ligand,
        "anatomy": "drawn" if organ_map is None else "organ map",
        "patient": asdict(patient),
        "scanner": asdict(scanner),
        "grid": {"size": grid.size, "spacing": grid.spacing, "origin": grid.origin, "direction": grid.direction},
        "organs": {str(code): name for code, name in ORGAN_NAMES.items()},
        "organ_suv": {t.name.lower(): round(v, 3) for t, v in table.items()},
        "benign": benign,
        "lesions": found,
    }
    return Phantom(study, labels, _stored(canvas.tissue, grid, box, order, 0), facts)


def _body_box(frame: Frame) -> Box:
    slices = [slice(0, len(frame.z))]
    for axis, low, high in ((frame.y, _REACH[0][1], _REACH[1][1]), (frame.x, _REACH[0][0], _REACH[1][0])):
        start, stop = np.searchsorted(axis, (low, high))
        slices.append(slice(int(start), max(int(stop), int(start) + 1)))
    return slices[0], slices[1], slices[2]


def _bend(canvas: Canvas, frame: Frame, head_shift: float, rng: np.random.Generator, *, calm: bool) -> None:
    """Move the head forward on its pillow, and bend everything a little, so that no patient is symmetric."""
    shape = canvas.tissue.shape
    rise = np.clip((canvas.z - 560.0) / 110.0, 0, 1)
    forward = (head_shift * rise * rise * (3 - 2 * rise))[:, None, None].astype(np.float32)
    index = []
    for axis, (n, step) in enumerate(zip(shape, frame.spacing[::-1], strict=True)):
        move = smooth_noise(rng, shape, frame.spacing[::-1], 150.0) * np.float32(2.0 if calm else 5.0)
        if axis == 1:
            move += forward
        line = np.arange(n, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        index.append(np.clip(np.rint(line + move / np.float32(step)), 0, n - 1).astype(np.int32))
    flat = (index[0] * np.int32(shape[1]) + index[1]) * np.int32(shape[2]) + index[2]
    canvas.tissue = canvas.tissue.reshape(-1).take(flat)


def _pad(canvas: Canvas, seeds: npt.NDArray[np.int64], step: tuple[float, ...]) -> None:
    """Soft tissue round seeds that the fitted body leaves outside, as where a real arm lies elsewhere."""
    lost = seeds[canvas.tissue[tuple(seeds.T)] == Tissue.OUTSIDE]
    for tissue, reach in ((Tissue.FAT, 30.0), (Tissue.MUSCLE, 22.0)):
        for seed in lost[::4]:
            low = [max(int(i - reach / s), 0) for i, s in zip(seed, step, strict=True)]
            high = [int(i + reach / s) + 1 for i, s in zip(seed, step, strict=True)]
            z, y, x = (slice(a, min(b, n)) for a, b, n in zip(low, high, canvas.tissue.shape, strict=True))
            offsets = np.ogrid[z, y, x]
            distance = sum(((o - i) * s) ** 2 for o, i, s in zip(offsets, seed, step, strict=True))
            canvas.paint((z, y, x), distance < reach**2, tissue, (Tissue.OUTSIDE, Tissue.SKIN, Tissue.FAT))


def _cropped(box: Box, canvas: Canvas, fine: Floats) -> tuple[Box, Canvas, Floats]:
    """Only the part of the box that the body and the table under it fill: the rest is air."""
    if not canvas.tissue.any():
        return box, canvas, fine
    part = [slice(None)]
    for axis, others, low, high in ((canvas.y, (0, 2), 8.0, 45.0), (canvas.x, (0, 1), 8.0, 8.0)):
        filled = np.flatnonzero(canvas.tissue.any(axis=others))
        start, stop = np.searchsorted(axis, (axis[filled[0]] - low, axis[filled[-1]] + high))
        part.append(slice(int(start), max(int(stop), int(start) + 1)))
    z, y, x = part
    inner = Canvas(
        canvas.x[x],
        canvas.y[y],
        canvas.z,
        np.ascontiguousarray(canvas.bump[z, y, x]),
        np.ascontiguousarray(canvas.tissue[z, y, x]),
    )
    moved = [slice(s.start + p.start, s.start + p.stop) for s, p in zip(box[1:], (y, x), strict=True)]
    return (box[0], moved[0], moved[1]), inner, np.ascontiguousarray(fine[z, y, x])


def _lay_on_table(canvas: Canvas, hu: Floats) -> None:
    trunk = (canvas.tissue != Tissue.OUTSIDE) & (canvas.z > -60)[:, None, None] & (canvas.z < 520)[:, None, None]
    rows = np.flatnonzero(trunk.any(axis=(0, 2)))
    if len(rows):
        table_top(canvas, hu, float(canvas.y[rows[-1]]))


def _inside_box(seeds: list[Voxel], order: AxialOrder, grid: Grid, box: Box) -> npt.NDArray[np.int64]:
    """Array indices (z, y, x) in the box of stored voxels (x, y, z)."""
    voxels = np.array(seeds, np.int64).reshape(-1, 3)
    low = np.array([s.start for s in box])
    size = np.array([s.stop - s.start for s in box])
    inside: npt.NDArray[np.int64] = order.voxels(voxels)[:, ::-1] - low
    wrong = ~grid.contains(voxels) | (inside < 0).any(axis=1) | (inside >= size).any(axis=1)
    if wrong.any():
        voxel = tuple(int(v) for v in voxels[wrong.argmax()])
        raise InputError(f"lesion seed {voxel} lies outside the body; give voxels (x, y, z) of the organ map")
    return inside


def _within(lesion: RealLesion, order: AxialOrder, grid: Grid, box: Box) -> npt.NDArray[np.int64]:
    """Array indices (z, y, x) in the box of those of a lesion's voxels that lie in it."""
    voxels = np.array(lesion.voxels, np.int64).reshape(-1, 3)
    voxels = voxels[grid.contains(voxels)]
    inside: npt.NDArray[np.int64] = order.voxels(voxels)[:, ::-1] - [s.start for s in box]
    return inside[((inside >= 0) & (inside < [s.stop - s.start for s in box])).all(axis=1)]


def _fits(voxels: npt.NDArray[np.int64], canvas: Canvas) -> bool:
    """Whether all lie on the cropped canvas."""
    return bool(((voxels >= 0) & (voxels < canvas.tissue.shape)).all())


def _stored(part: npt.NDArray[Any], grid: Grid, box: Box, order: AxialOrder, empty: float) -> npt.NDArray[Any]:
    """A box of the axial view as an array of the whole grid, in stored order."""
    whole = np.full(grid.shape, empty, part.dtype)
    order.view(whole)[box] = part
    return whole


def _stored_centre(centre: list[float], box: Box, order: AxialOrder) -> list[int]:
    """The voxel (x, y, z) as stored of a centre (x, y, z) in the box."""
    axial = [round(c + s.start) for c, s in zip(centre, box[::-1], strict=True)]
    return [int(v) for v in order.stored(np.array([axial]))[0]]
