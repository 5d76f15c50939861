"""What the API takes and gives, as JSON; docs/app-api.md says what it means."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sam_pet.app.brush import Shape
from sam_pet.app.jobs import JobState, Kind
from sam_pet.app.sources import Origin
from sam_pet.prompts import Label

Whole = Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)]
# Three of a kind; not as tuples, whose schema few programs know.
_Three = Field(min_length=3, max_length=3)
VoxelJson = Annotated[list[Whole], _Three]
_Coordinate = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Point = Annotated[list[_Coordinate], _Three]
LesionNumber = Annotated[int, Field(strict=True, ge=1, le=65535)]
Suv = Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)]
Channel = Annotated[int, Field(strict=True, ge=0, le=255)]
Triple = Annotated[list[float], _Three]
Indices = Annotated[list[int], _Three]
ColourJson = Annotated[list[Channel], _Three]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    error: str


# What is sent


class NewUpload(_Given):
    bytes: Annotated[int, Field(strict=True, ge=0, le=2**53)]


class NewSession(_Given):
    study: str
    pet: str | None = None
    ct: str | None = None


class NewPrompt(_Given):
    kind: Literal["click", "scribble", "box"]
    label: Label = "tumor"
    voxels: Annotated[list[VoxelJson], Field(min_length=1, max_length=1_000_000)]
    lesion: LesionNumber | None = None


class NewFacts(_Given):
    # Neither control characters nor what parts values in DICOM.
    name: Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f\\]*$")] | None = None
    colour: ColourJson | None = None
    hidden: bool | None = None
    locked: bool | None = None
    accepted: bool | None = None


class NewOutline(_Given):
    rule: str


class NewBrush(_Given):
    mode: Literal["paint", "erase"]
    path: Annotated[list[Point], Field(min_length=1, max_length=10_000)]
    radius_mm: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
    shape: Shape = "disc"
    axis: Literal[0, 1, 2] = 2
    lesion: LesionNumber | None = None
    min_suv: Suv | None = None
    max_suv: Suv | None = None


class NewPreselection(_Given):
    rule: str
    suv: Annotated[float, Field(gt=0, le=1e5, allow_inf_nan=False)] | None = None
    min_ml: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None


class NewAnswer(_Given):
    tracer: Literal["auto", "fdg", "psma"] = "auto"


class NewStore(_Given):
    kinds: Annotated[list[Literal["seg", "rtstruct", "sr"]], Field(min_length=1, max_length=3)]


# What comes back


class ModelFacts(BaseModel):
    name: str
    trained: bool


class RuleTitle(BaseModel):
    rule: str
    title: str


class ExportTitle(BaseModel):
    kind: str
    title: str
    file: str
    needs_dicom: bool


class About(BaseModel):
    version: str
    reader: str
    model: ModelFacts
    pacs: bool
    upload_bytes: int
    outlines: list[RuleTitle]
    preselect: list[RuleTitle]
    exports: list[ExportTitle]


class SeriesJson(BaseModel):
    id: str
    modality: str
    description: str
    images: int


class StudyJson(BaseModel):
    id: str
    title: str
    source: Origin
    simulated: bool
    dicom: bool
    patient: str
    patient_id: str
    date: str
    description: str
    series: list[SeriesJson]
    pet: str | None
    ct: str | None
    problem: str | None


class StudyListJson(BaseModel):
    studies: list[StudyJson]


class PacsStudy(BaseModel):
    uid: str
    patient: str
    patient_id: str
    date: str
    description: str
    modalities: list[str]
    images: int


class PacsList(BaseModel):
    studies: list[PacsStudy]


class UploadJson(BaseModel):
    id: str


class JobJson(BaseModel):
    id: str
    kind: Kind
    state: JobState
    progress: float | None
    message: str
    session: str | None
    result: dict[str, Any] | None
    error: str | None


class JobList(BaseModel):
    jobs: list[JobJson]


class SessionSummary(BaseModel):
    id: str
    study: str
    title: str
    created: str
    changed: str
    revision: int
    lesions: int
    open: bool
    problem: str | None


class SessionList(BaseModel):
    sessions: list[SessionSummary]


class SessionJob(BaseModel):
    session: SessionSummary
    job: JobJson


class MaskUpdate(BaseModel):
    revision: int
    reset: bool
    low: Indices
    size: Indices
    data: str


class LesionJson(BaseModel):
    lesion: int
    name: str
    colour: Indices
    hidden: bool
    locked: bool
    accepted: bool
    found: bool
    outline: str
    volume_ml: float
    suv_max: float
    suv_mean: float
    suv_peak: float
    tlg: float
    diameter_mm: float
    voxels: int
    centroid: Triple
    hottest: Indices
    low: Indices
    size: Indices


class TotalsJson(BaseModel):
    lesions: int
    total_mtv_ml: float
    total_tlg: float
    dmax_mm: float | None
    suv_max: float | None


class Change(BaseModel):
    revision: int
    update: MaskUpdate | None
    lesion: int | None
    can_undo: bool
    can_redo: bool
    first_answer: str | None
    lesions: list[LesionJson]
    totals: TotalsJson


class GridJson(BaseModel):
    size: Indices
    spacing: Triple
    origin: Triple
    direction: list[float]


class AxialJson(BaseModel):
    axes: Indices
    flips: Annotated[list[bool], _Three]


class PromptRow(BaseModel):
    number: int
    kind: str
    label: str
    lesions: list[int]
    voxels: list[Indices]


class SessionContent(Change):
    id: str
    study: str
    title: str
    grid: GridJson
    axial: AxialJson
    has_ct: bool
    suv_max: float
    dicom: bool
    simulated: bool
    prompts: list[PromptRow]


class UptakeRegion(BaseModel):
    low: Indices
    size: Indices
    data: str
    volume_ml: float
    suv_max: float


class OutlineRow(BaseModel):
    rule: str
    title: str
    suv: float | None
    volume_ml: float
    current: bool


class OutlineList(BaseModel):
    outlines: list[OutlineRow]
