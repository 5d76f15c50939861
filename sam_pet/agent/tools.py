"""The tools of a desk: typed arguments in, a typed result out. Policies and the MCP server share them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam_pet.agent.answers import CandidateList, Changed, LesionList, Measured, Pictured, Said, Stopped
from sam_pet.agent.desk import Desk
from sam_pet.agent.looks import Shown
from sam_pet.errors import InputError
from sam_pet.geometry import Voxel

# No reader needs as many; a session keeps every state that undo goes back to.
MOST_TURNS = 500
_FAR = 1_000_000

Index = Annotated[int, Field(ge=0, le=_FAR)]
VoxelArgument = Annotated[
    list[Index], Field(min_length=3, max_length=3, description="voxel [x, y, z] on the PET grid, counted from 0")
]
Point = Annotated[
    list[Annotated[int, Field(ge=0, le=999)]],
    Field(
        min_length=2,
        max_length=2,
        description="[x, y], 0 to 999 from the upper left corner of the last picture to the right and down",
    ),
]
Lesion = Annotated[int, Field(ge=1, le=65535, description="number of a lesion")]
LabelArgument = Annotated[
    Literal["tumor", "background"], Field(description="tumor adds to the mask, background takes away from it")
]


class Arguments(BaseModel):
    """Arguments of a tool; a number in a string is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Shown(Arguments):
    suv_max: Annotated[float, Field(gt=0, le=1000, description="the SUV from which it is darkest, or hottest")] = 10.0
    contours: Annotated[bool, Field(description="outline and number the lesions, and dot what was drawn")] = True
    grid: Annotated[bool, Field(description="lines at every hundred points of the picture, numbered")] = False

    @property
    def shown(self) -> Shown:
        return Shown(suv_max=self.suv_max, contours=self.contours, grid=self.grid)


class _Fused(_Shown):
    ct_level: Annotated[float, Field(ge=-2000, le=4000, description="HU that is grey")] = 40.0
    ct_width: Annotated[float, Field(ge=1, le=8000, description="HU from black to white")] = 400.0
    fusion: Annotated[float, Field(ge=0, le=1, description="0 is CT alone, 1 PET alone")] = 0.5

    @property
    def shown(self) -> Shown:
        hu = (self.ct_level - self.ct_width / 2, self.ct_level + self.ct_width / 2)
        return Shown(self.suv_max, hu, self.fusion, self.contours, self.grid)


Plane = Annotated[Literal["axial", "coronal", "sagittal"], Field(description="plane of the slice")]
Width = Annotated[float | None, Field(ge=20, le=3000, description="a square this wide; the whole slice if left out")]


class LookMip(_Shown):
    plane: Literal["coronal", "sagittal"] = "coronal"


class LookSlice(_Fused):
    plane: Plane = "axial"
    voxel: VoxelArgument | None = None
    picture: Point | None = None
    mm: Annotated[
        list[Annotated[float, Field(ge=-1e6, le=1e6)]] | None,
        Field(min_length=3, max_length=3, description="position in mm, to the patient's left, back and head (LPS)"),
    ] = None
    width_mm: Width = None


class LookLesion(_Fused):
    lesion: Lesion
    width_mm: Annotated[float, Field(ge=20, le=3000)] = 120.0


class Compare(_Fused):
    plane: Plane = "axial"
    voxel: VoxelArgument | None = None
    width_mm: Width = 200.0


class FirstAnswer(Arguments):
    tracer: Literal["auto", "fdg", "psma"] = "auto"


class ListCandidates(Arguments):
    most: Annotated[int, Field(ge=1, le=300)] = 20
    scores: Annotated[bool, Field(description="also say what the classifier thinks of a click there; slower")] = False


class Measure(Arguments):
    lesion: Lesion | None = None


class AddPoint(Arguments):
    voxel: VoxelArgument | None = None
    picture: Point | None = None
    label: LabelArgument = "tumor"
    lesion: Annotated[Lesion | None, Field(description="act on this lesion; an unused number starts a new one")] = None


class AddBox(Arguments):
    voxels: Annotated[
        list[VoxelArgument] | None, Field(min_length=2, max_length=2, description="two opposite corners")
    ] = None
    picture: Annotated[
        list[Point] | None, Field(min_length=2, max_length=2, description="two opposite corners on one slice")
    ] = None
    lesion: Lesion | None = None


class AddScribble(Arguments):
    voxels: Annotated[list[VoxelArgument] | None, Field(min_length=1, max_length=5000)] = None
    picture: Annotated[
        list[Point] | None, Field(min_length=1, max_length=200, description="corners of a line on one slice")
    ] = None
    label: LabelArgument = "tumor"
    lesion: Lesion | None = None


class Reject(Arguments):
    lesion: Lesion


class Nothing(Arguments):
    pass


class Stop(Arguments):
    reason: Annotated[str, Field(max_length=500)] = ""


@dataclass(frozen=True)
class Tool:
    """A tool; one that `changes` the mask takes a turn, one with `picture` leaves a picture on the desk."""

    name: str
    description: str
    arguments: type[Arguments]
    said: type[Said]
    run: Callable[[Desk, Any], Said]
    changes: bool = False
    picture: bool = False


def _one_of(**given: Any) -> str:
    """The name of the one argument that was given."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise InputError(f"give one of {', '.join(given)}; {' and '.join(names) or 'none'} was given")
    return names[0]


def _voxel(values: list[int]) -> Voxel:
    x, y, z = values
    return x, y, z


def _place(desk: Desk, voxel: list[int] | None, picture: list[int] | None) -> Voxel:
    if _one_of(voxel=voxel, picture=picture) == "voxel":
        return _voxel(voxel or [])
    return desk.sight.voxel(picture or [])


def _look_slice(desk: Desk, a: LookSlice) -> Said:
    if a.voxel is a.picture is a.mm is None:
        at = desk.sight.hottest
    elif _one_of(voxel=a.voxel, picture=a.picture, mm=a.mm) == "mm":
        at = desk.sight.voxel_of(a.mm or [])
    else:
        at = _place(desk, a.voxel, a.picture)
    return desk.sight.look_slice(a.plane, at, a.width_mm, a.shown)


def _compare(desk: Desk, a: Compare) -> Said:
    return desk.compare(a.plane, None if a.voxel is None else _voxel(a.voxel), a.width_mm, a.shown)


def _add_box(desk: Desk, a: AddBox) -> Said:
    if _one_of(voxels=a.voxels, picture=a.picture) == "voxels":
        low, high = (_voxel(voxel) for voxel in a.voxels or [])
    else:
        drawn = desk.sight.stroke(a.picture or [])
        low, high = drawn[0], drawn[-1]
    return desk.add_box(low, high, a.lesion)


def _add_scribble(desk: Desk, a: AddScribble) -> Said:
    if _one_of(voxels=a.voxels, picture=a.picture) == "voxels":
        drawn = [_voxel(voxel) for voxel in a.voxels or []]
    else:
        drawn = desk.sight.stroke(a.picture or [])
    return desk.add_scribble(drawn, a.label, a.lesion)


_TOOLS = (
    Tool(
        "look_mip",
        "Look at a maximum-intensity projection of the PET: where uptake is, and which of it is in the mask.",
        LookMip,
        Pictured,
        lambda desk, a: desk.sight.look_mip(a.plane, a.shown),
        picture=True,
    ),
    Tool(
        "look_slice",
        "Look at a slice of fused PET/CT through a voxel, a point of the last picture or a position in mm; through the "
        "hottest voxel if none is given.",
        LookSlice,
        Pictured,
        _look_slice,
        picture=True,
    ),
    Tool(
        "look_lesion",
        "Look at a lesion in three planes side by side.",
        LookLesion,
        Pictured,
        lambda desk, a: desk.sight.look_lesion(a.lesion, a.width_mm, a.shown),
        picture=True,
    ),
    Tool(
        "compare",
        "Look at a slice before the last change and after it, side by side; where most changed if no voxel is given.",
        Compare,
        Pictured,
        _compare,
        picture=True,
    ),
    Tool(
        "first_answer",
        "Find lesions without any prompt. It comes before the first prompt, and may find none.",
        FirstAnswer,
        Changed,
        lambda desk, a: desk.first_answer(a.tracer),
        changes=True,
    ),
    Tool(
        "list_lesions",
        "The lesions of the mask: volume, SUV, and what the classifier thinks of them.",
        Nothing,
        LesionList,
        lambda desk, _: desk.list_lesions(),
    ),
    Tool(
        "list_candidates",
        "Places of uptake that may be lesions, with their probability; also those that are in no lesion yet.",
        ListCandidates,
        CandidateList,
        lambda desk, a: desk.list_candidates(a.most, a.scores),
    ),
    Tool(
        "measure",
        "MTV, TLG, SUVmean, SUVmax, SUVpeak and diameter of a lesion, or of all with the patient's totals.",
        Measure,
        Measured,
        lambda desk, a: desk.measure(a.lesion),
    ),
    Tool(
        "add_point",
        "Click: tumor on a lesion that is missing or too small, background on what is too much.",
        AddPoint,
        Changed,
        lambda desk, a: desk.add_point(_place(desk, a.voxel, a.picture), a.label, a.lesion),
        changes=True,
    ),
    Tool(
        "add_box",
        "Draw a box round a lesion, by two voxels or by two points on one slice of the last picture.",
        AddBox,
        Changed,
        _add_box,
        changes=True,
    ),
    Tool(
        "add_scribble",
        "Draw a stroke, by its voxels or by the corners of a line on one slice of the last picture.",
        AddScribble,
        Changed,
        _add_scribble,
        changes=True,
    ),
    Tool(
        "reject",
        "Say that a lesion is none: it leaves the mask, nothing else changes.",
        Reject,
        Changed,
        lambda desk, a: desk.reject(a.lesion),
        changes=True,
    ),
    Tool(
        "undo",
        "Take back the last change; the mask is what it was before.",
        Nothing,
        Changed,
        lambda desk, _: desk.undo(),
        changes=True,
    ),
    Tool(
        "stop",
        "Say that the mask is as good as it gets. Nothing can be changed after it.",
        Stop,
        Stopped,
        lambda desk, a: desk.stop(a.reason),
    ),
)
TOOLS: dict[str, Tool] = {tool.name: tool for tool in _TOOLS}


def call(desk: Desk, name: str, arguments: Mapping[str, Any]) -> Said:
    """Use a tool.

    Raises:
        InputError: no such tool, or arguments that it cannot use; nothing has changed then.
    """
    tool = TOOLS.get(name)
    if tool is None:
        raise InputError(f"there is no tool {name!r}; there are {', '.join(TOOLS)}")
    checked = parse(tool.arguments, arguments, name)
    if tool.changes:
        if desk.stopped is not None:
            raise InputError(f"{name}: this reading was stopped; open the study again")
        if desk.turns >= MOST_TURNS:
            raise InputError(f"{name}: this reading has had {MOST_TURNS} turns; stop it, and open the study again")
    try:
        return tool.run(desk, checked)
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(name) else f"{name}: {error}") from error


def parse(model: type[Arguments], arguments: Mapping[str, Any], name: str) -> Any:
    """Arguments as their model.

    Raises:
        InputError: one line that names the first argument at fault.
    """
    try:
        return model.model_validate_json(json.dumps(dict(arguments)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "arguments"
        raise InputError(f"{name}: {where}: {first['msg'][:200]}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: arguments must be JSON") from error
