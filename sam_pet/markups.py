"""3-D Slicer's markups as prompts: points, lines and curves in the patient's space."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.errors import InputError
from sam_pet.geometry import AxialOrder, Grid
from sam_pet.prompts import LABELS, Click, Label, Prompt, click, require_on_grid, strokes

logger = logging.getLogger(__name__)

_KINDS = ("Fiducial", "Line", "Curve", "ClosedCurve")
# Millimetres in each unit, by its name in UCUM and in words.
_UNITS = {
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micrometer", "micrometre", "micron"), 0.001),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 10.0),
    **dict.fromkeys(("dm", "decimeter", "decimetre"), 100.0),
    **dict.fromkeys(("m", "meter", "metre"), 1000.0),
    **dict.fromkeys(("[in_i]", "in", "inch", "inches"), 25.4),
}
_NEGATIONS = {"no", "non", "not", "without", "free"}
# Beside the word tumor they speak of what is none.
_ELSEWHERE = {"outside", "beside", "healthy", "normal"}
# What Slicer calls lists and points by itself, and words for what is a tumor.
_PLAIN_WORDS = {
    *("cc", "point", "points", "list", "pointlist", "fiducial", "fiducials", "line", "curve"),
    *(
        "markups",
        "markup",
        "markupsfiducial",
        "markupsline",
        "markupscurve",
        "markupsclosedcurve",
        "closedcurve",
        "none",
    ),
    *("lesion", "lesions", "metastasis", "metastases", "target", "foreground", "positive", "click", "clicks"),
}
# Of a voxel.
_HALFWAY = 1e-6


def parse_markups(markups: Sequence[Any], grid: Grid, lenient: bool = False) -> list[Prompt]:
    """The prompts in the lists of a markups file, tumor prompts first.

    Only points that were placed count. Where the labels of points do not say tumor or background, the name of
    their list does; where neither does they are of the tumor, and the log says so of names that mean something else.

    Args:
        markups: what stands under the key of this name.
        grid: the PET grid.
        lenient: drop points that cannot be used, with a warning each, where the default is an error.

    Raises:
        InputError: a markup of another kind, an unknown unit or coordinate system, or a point that cannot be used.
    """
    found: list[Prompt] = []
    for markup in markups:
        kind = markup.get("type") if isinstance(markup, dict) else None
        points = markup.get("controlPoints") if isinstance(markup, dict) else None
        if kind not in _KINDS or not isinstance(points, list):
            raise InputError(f"prompts: markups of type {kind!r} are not prompts; use Fiducial, Line or Curve")
        clicks = _clicks(markup, points, grid, lenient)
        found += clicks if kind == "Fiducial" else _curves(clicks, grid, closed=kind == "ClosedCurve")
    return sorted(found, key=lambda prompt: LABELS.index(prompt.label))


def _clicks(markup: Mapping[str, Any], points: Sequence[Any], grid: Grid, lenient: bool) -> list[Click]:
    to_mm = _to_lps_mm(markup)
    found: list[Click] = []
    vague = False
    for number, point in enumerate(points):
        what = f"prompts: control point {number}"
        try:
            if not isinstance(point, dict):
                raise InputError(f"{what}: has no position of three numbers; place it again")
            if not _is_placed(point.get("positionStatus", "defined"), what):
                continue
            label, said = _label(point, markup, what)
            vague = vague or not said
            drawn = click(_nearest_voxel(_position(point.get("position"), what) * to_mm, grid), label, what)
            try:
                require_on_grid(drawn, grid)
            except InputError as error:
                raise InputError(f"{what}: {error}") from error
        except InputError as error:
            if not lenient:
                raise
            logger.warning("dropped: %s", error)
        else:
            found.append(drawn)
    if vague:
        name = str(markup.get("name", ""))[:60]
        logger.warning("prompts: names in the list %r say neither tumor nor background: they are taken as tumor", name)
    return found


def _nearest_voxel(position: npt.NDArray[np.float64], grid: Grid) -> npt.NDArray[np.float64]:
    """The voxel nearest to a position; halfway between two it is the same one however the volume is stored."""
    order = AxialOrder.of(grid)
    flips = np.array(order.flips)[np.argsort(order.axes)]
    exact = grid.to_voxel(position)
    # Off halfway by less than any coordinate means, and against the stored axis where that runs the other way.
    voxel: npt.NDArray[np.float64] = np.rint(exact + np.where(flips, -_HALFWAY, _HALFWAY))
    return voxel


def _to_lps_mm(markup: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """What coordinates are to be multiplied with."""
    system = str(markup.get("coordinateSystem", "LPS")).upper()
    # Slicer has also written its numbers for the two.
    system = {"0": "RAS", "1": "LPS"}.get(system, system)
    if system not in ("LPS", "RAS"):
        raise InputError(f"prompts: unknown coordinate system {system!r} of a markup; export it as LPS or RAS")
    unit = markup.get("coordinateUnits", "mm")
    word = unit[0] if isinstance(unit, list) and unit else unit
    scale = _UNITS.get(_singular(word)) if isinstance(word, str) else None
    told = [_UNITS.get(_singular(name)) for name in unit[1:] if isinstance(name, str)] if isinstance(unit, list) else []
    if scale is None or any(other not in (None, scale) for other in told):
        raise InputError(f"prompts: unknown unit {unit!r} of a markup (coordinateUnits); export it in mm")
    return scale * (np.array([-1.0, -1.0, 1.0]) if system == "RAS" else np.ones(3))


def _is_placed(status: Any, what: str) -> bool:
    known = {"defined": True, "undefined": False, "preview": False, "missing": False}
    if not isinstance(status, str) or status.lower() not in known:
        raise InputError(f"{what}: unknown positionStatus {status!r}; known are {', '.join(known)}")
    return known[status.lower()]


def _singular(word: str) -> str:
    word = word.strip().lower()
    return word[:-1] if len(word) > 4 and word.endswith("s") and word not in _UNITS else word


def _position(position: Any, what: str) -> npt.NDArray[np.float64]:
    numbers = isinstance(position, list) and len(position) == 3 and all(type(v) in (int, float) for v in position)
    if not numbers or not all(abs(v) < 1e9 for v in position):
        raise InputError(f"{what}: has no position of three numbers; place it again")
    return np.array(position, np.float64)


def _label(point: Mapping[str, Any], markup: Mapping[str, Any], what: str) -> tuple[Label, bool]:
    """The label of a point, and whether that is said or else follows from names that say nothing."""
    # Slicer numbers points by itself ("F-1", "tumor-2"); only a name that says background makes one.
    texts = (f"{point.get('label', '')} {point.get('description', '')}", str(markup.get("name", "")))
    named = [re.findall(r"[^\W\d_]+", text.lower()) for text in texts]
    for words in named:
        told = {label: [w for w in words if label in w.replace("tumour", "tumor")] for label in LABELS}
        said = [label for label in LABELS if told[label]]
        doubts = _NEGATIONS | _ELSEWHERE if said == ["tumor"] else _NEGATIONS
        denied = any(word.startswith("non") for label in said for word in told[label])
        if said and (len(said) > 1 or denied or not doubts.isdisjoint(words)):
            raise InputError(f"{what}: its name could say tumor or background; use one of these words alone")
        if said:
            return said[0], True
    return "tumor", all(len(word) < 2 or word in _PLAIN_WORDS for words in named for word in words)


def _curves(clicks: Sequence[Click], grid: Grid, closed: bool) -> list[Prompt]:
    if not clicks:
        return []
    if len({drawn.label for drawn in clicks}) > 1:
        raise InputError("prompts: a line or curve has points of tumor and of background; draw one of each")
    order = AxialOrder.of(grid)
    # In the axial view, so that how the volume is stored does not change what is rounded which way.
    nodes = order.voxels(np.concatenate([c.voxels for c in clicks]))
    if closed:
        nodes = np.concatenate([nodes, nodes[:1]])
    path = [nodes[:1]]
    for a, b in itertools.pairwise(nodes):
        steps = max(int(np.abs(b - a).max()), 1)
        path.append(np.round(a + (b - a) * np.arange(1, steps + 1)[:, None] / steps).astype(np.int64))
    return list(strokes(order.stored(np.concatenate(path)), clicks[0].label, order))
