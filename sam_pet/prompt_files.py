"""Prompt files: the challenge's points, lists of voxels, 3-D Slicer markups, and our own record of a session."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam_pet.errors import InputError
from sam_pet.geometry import AxialOrder, Grid
from sam_pet.markups import parse_markups
from sam_pet.prompts import (
    LABELS,
    Box,
    Click,
    Paint,
    Prompt,
    Rejection,
    Scribble,
    box,
    click,
    paint,
    require_on_grid,
    scribble,
    strokes,
)

logger = logging.getLogger(__name__)

RECORD_TYPE = "sam_pet prompts"
MOST_BYTES = 1 << 24
KINDS: dict[type[Prompt], str] = {
    Click: "click",
    Scribble: "scribble",
    Box: "box",
    Rejection: "rejection",
    Paint: "paint",
}
_VOXELS_OF = {"click": 1, "box": 2, "rejection": 1}
_FORMS = (
    '{"type": "Multiple points", "points": [...]}, {"tumor": [...], "background": [...]}, '
    "3-D Slicer markups, or the prompts.json of a saved session"
)


def read_prompts(path: str | os.PathLike[str], grid: Grid, lenient: bool = False) -> list[Prompt]:
    """The prompts in a file, in the order in which they are to be applied: tumor strokes first where it has no order.

    Args:
        grid: the PET grid; prompts outside it are an error.
        lenient: drop points that are not usable, with a warning each, where the default is an error.

    Raises:
        InputError: no such file, not JSON, none of the known forms, or an unusable point.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet import Grid, read_prompts
        >>> _ = Path("clicks.json").write_text('{"tumor": [[5, 5, 2]], "background": [[9, 9, 2]]}')
        >>> read_prompts("clicks.json", Grid((30, 40, 20)))
        [Click(voxel=(5, 5, 2), label='tumor'), Click(voxel=(9, 9, 2), label='background')]
    """
    path = Path(path)
    try:
        if not (path.is_file() or path.is_dir()):
            raise InputError(f"prompts: no such file: {path}")
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"prompts: {path} has more than {MOST_BYTES >> 20} MB; no reader draws so much")
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_said_once)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"prompts: {path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"prompts: {path} is not JSON ({error}); write it again") from error
    try:
        return parse_prompts(content, grid, lenient)
    except InputError as error:
        raise InputError(f"{error} ({path})") from error


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # JSON would keep the last of two lists of one name, and lose the other.
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"it says {twice[:40]!r} twice in one place")
    return found


def parse_prompts(content: Any, grid: Grid, lenient: bool = False) -> list[Prompt]:
    """As `read_prompts`, from decoded JSON.

    Examples:
        >>> from sam_pet import Grid
        >>> from sam_pet.prompt_files import parse_prompts
        >>> parse_prompts({"tumor": [[5, 5, 2]]}, Grid((30, 40, 20)))
        [Click(voxel=(5, 5, 2), label='tumor')]
    """
    forms = ({"points"}, {"markups"}, {"prompts"}, set(LABELS))
    if isinstance(content, dict) and sum(bool(content.keys() & form) for form in forms) > 1:
        raise InputError("prompts: the file has prompts in more than one form; keep one of them")
    if isinstance(content, dict) and isinstance(content.get("points"), list):
        return _once(_parse_points(content["points"], grid, lenient))
    if isinstance(content, dict) and content and set(content) <= set(LABELS):
        return _once(_parse_lists(content, grid, lenient))
    if isinstance(content, dict) and isinstance(content.get("markups"), list):
        markups = [_with_defaults(markup, content) for markup in content["markups"]]
        return _once(parse_markups(markups, grid, lenient))
    if isinstance(content, dict) and content.get("type") == RECORD_TYPE and isinstance(content.get("prompts"), list):
        return _usable(content["prompts"], lambda item, _: _parse_record(item, grid), lenient)
    raise InputError(f"prompts: unknown form; known are {_FORMS}")


def _once(prompts: list[Prompt]) -> list[Prompt]:
    """The same prompts; a warning tells of a voxel that a form without an order has as tumor and as background."""
    tumor, background = (
        {tuple(voxel) for prompt in prompts if prompt.label == label for voxel in prompt.voxels.tolist()}
        for label in LABELS
    )
    for voxel in sorted(tumor & background)[:1]:
        logger.warning("prompts: voxel %s is drawn as tumor and as background; the latter counts", voxel)
    return prompts


def _with_defaults(markup: Any, content: dict[str, Any]) -> Any:
    """A list of a markups file with what the file says of all of them."""
    said = {key: content[key] for key in ("coordinateSystem", "coordinateUnits") if key in content}
    return {**said, **markup} if isinstance(markup, dict) else markup


def _usable(items: Sequence[Any], parse: Callable[[Any, int], Prompt], lenient: bool) -> list[Prompt]:
    found = []
    for number, item in enumerate(items):
        try:
            found.append(parse(item, number))
        except InputError as error:
            if not lenient:
                raise
            logger.warning("dropped: %s", error)
    return found


def _parse_points(points: Sequence[Any], grid: Grid, lenient: bool) -> list[Prompt]:
    def parse(item: Any, number: int) -> Click:
        what = f"prompts: point {number}"
        if not isinstance(item, dict) or "point" not in item:
            raise InputError(f'{what}: must be {{"point": [x, y, z], "name": "tumor"}}')
        return _point(item["point"], item.get("name"), what, grid)

    return _strokes_of(_usable(points, parse, lenient), grid)


def _parse_lists(content: dict[str, Any], grid: Grid, lenient: bool) -> list[Prompt]:
    items = []
    for label, voxels in content.items():
        if not isinstance(voxels, list):
            raise InputError(f"prompts: '{label}' must be a list of voxels [x, y, z]")
        items += [(label, n, voxel) for n, voxel in enumerate(voxels)]
    clicks = _usable(
        items, lambda item, _: _point(item[2], item[0], f"prompts: {item[0]} point {item[1]}", grid), lenient
    )
    return _strokes_of(clicks, grid)


def _point(voxel: Any, name: Any, what: str, grid: Grid) -> Click:
    point = click(voxel, name, what)
    try:
        require_on_grid(point, grid)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
    return point


def _strokes_of(clicks: Sequence[Prompt], grid: Grid) -> list[Prompt]:
    found: list[Prompt] = []
    for label in LABELS:
        points = [c.voxels for c in clicks if c.label == label]
        if points:
            found += strokes(np.concatenate(points), label, AxialOrder.of(grid))
    return found


def _parse_record(item: Any, grid: Grid) -> Prompt:
    try:
        kind, label = str(item["kind"]), item["label"]
        voxels = [] if kind == "paint" else list(item["voxels"])
    except (KeyError, TypeError) as error:
        raise InputError("prompts: each must have kind, label and voxels") from error
    makers: dict[str, Callable[[], Prompt]] = {
        "click": lambda: click(voxels[0], label),
        "scribble": lambda: scribble(voxels, label),
        "box": lambda: box(*voxels),
        "rejection": lambda: Rejection(click(voxels[0], what="rejection").voxel),
        "paint": lambda: _painted(item.get("runs"), label, grid),
    }
    if kind not in makers:
        raise InputError(f"prompts: unknown kind {kind!r}; known are {', '.join(makers)}")
    if len(voxels) != _VOXELS_OF.get(kind, len(voxels)):
        raise InputError(f"prompts: a click has one voxel and a box two, not {len(voxels)} as this {kind}; correct it")
    prompt = makers[kind]()
    if label != prompt.label:
        raise InputError(f"prompts: a {kind} is always {prompt.label}, and this one is labelled {label!r}; correct it")
    require_on_grid(prompt, grid)
    return prompt


def _painted(runs: Any, label: Any, grid: Grid) -> Paint:
    """Runs of voxels as paint; what they would leave the grid by is not spelt out."""
    fault = InputError("prompts: a paint has runs [x, y, z, n] of n voxels along x, on the PET grid; correct it")
    try:
        # Else NumPy takes true for 1.
        if any(isinstance(number, bool) for run in runs for number in run):
            raise fault
        array = np.array(runs)
    except (TypeError, ValueError, OverflowError) as error:
        raise fault from error
    if array.ndim != 2 or array.shape[1] != 4 or array.dtype.kind not in "iu" or not len(array):
        raise fault
    ends = array[:, :3] + np.stack([array[:, 3] - 1, 0 * array[:, 3], 0 * array[:, 3]], axis=1)
    if (array[:, 3] < 1).any() or not (grid.contains(array[:, :3]) & grid.contains(ends)).all():
        raise fault
    return paint(Paint(tuple(map(tuple, array.tolist()))).voxels, label)


def record(prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Prompts as JSON that `parse_prompts` reads back as they are, in order.

    Examples:
        >>> from sam_pet import Click, Grid
        >>> from sam_pet.prompt_files import parse_prompts, record
        >>> parse_prompts(record([Click((5, 5, 2))]), Grid((30, 40, 20)))
        [Click(voxel=(5, 5, 2), label='tumor')]
    """
    return {"type": RECORD_TYPE, "version": {"major": 1, "minor": 0}, "prompts": [record_of(p) for p in prompts]}


def record_of(prompt: Prompt) -> dict[str, Any]:
    """One prompt as it stands in `record`."""
    item = {"kind": KINDS[type(prompt)], "label": prompt.label}
    return {**item, "runs": prompt.runs} if isinstance(prompt, Paint) else {**item, "voxels": prompt.voxels.tolist()}


def points(prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Clicks and scribbles as the challenge's "Multiple points": tumor points first, one entry a voxel.

    Examples:
        >>> from sam_pet import Click
        >>> from sam_pet.prompt_files import points
        >>> points([Click((5, 5, 2))])["points"]
        [{'point': [5, 5, 2], 'name': 'tumor'}]
    """
    drawn = [
        {"point": voxel, "name": label}
        for label in LABELS
        for prompt in prompts
        if prompt.label == label and not isinstance(prompt, Box | Paint)
        for voxel in prompt.voxels.tolist()
    ]
    return {"version": {"major": 1, "minor": 0}, "type": "Multiple points", "points": drawn}
