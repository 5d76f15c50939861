"""The server: the tools of a desk over MCP, each with the reading that it is for."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import Annotated, Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    ImageContent,
    ListResourcesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceLink,
    TextContent,
    ToolAnnotations,
)
from mcp_types import (
    Tool as McpTool,
)
from pydantic import Field

import sam_pet
from sam_pet.agent.answers import Said, StudyFacts
from sam_pet.agent.tools import TOOLS, Arguments, call, parse
from sam_pet.errors import InputError, one_line
from sam_pet.mcp.readings import TYPES, Form, Reading, Readings
from sam_pet.mcp.work import Worker

logger = logging.getLogger(__name__)

SCHEME = "sam-pet://"
INSTRUCTIONS = """Segment lesions of PET/CT studies. Call list_studies, then open_study: it gives a reading, which \
every other tool takes. first_answer finds lesions without a prompt; it comes before the first prompt. Look (look_mip, \
look_slice, look_lesion), act (add_point, add_box, add_scribble, reject, undo), look again (compare), and stop when \
the next change is not worth its turn. Voxels are [x, y, z] on the PET grid, counted from 0; points of a picture are \
[x, y] from 0 to 999. export writes the mask and gives links to it. Not for clinical decisions."""
_READING = {"type": "string", "description": "as open_study gave it"}


class OpenStudy(Arguments):
    study: Annotated[str, Field(max_length=255, description="as list_studies says, or the name of its file or folder")]


class ListStudies(Arguments):
    pass


def _usual() -> list[Form]:
    return ["mask", "session"]


class Export(Arguments):
    forms: Annotated[
        list[Form],
        Field(
            min_length=1,
            max_length=6,
            description="mask: NIfTI of 0 and 1; session: all it takes to replay, with prompts and measurements; "
            "slicer: segmentation for 3-D Slicer; dicom_seg, rtstruct: where the PET is DICOM; report: a page",
        ),
    ] = Field(default_factory=_usual)


class StudyEntry(Said):
    study: str
    dicom: bool
    ct: bool | None = Field(description="null where only opening tells")
    simulated: bool = False


class StudyList(Said):
    studies: list[StudyEntry]


class Opened(StudyFacts):
    reading: str


class Exported(Said):
    files: list[str] = Field(description="resources of this server")


def make_server(readings: Readings) -> Server[Any]:
    """A server on some studies, not yet connected to anyone."""
    desk = _Handlers(readings)
    return Server(
        "sam-pet",
        version=sam_pet.__version__,
        title="sam_pet",
        instructions=INSTRUCTIONS,
        on_list_tools=desk.list_tools,
        on_call_tool=desk.call_tool,
        on_list_resources=desk.list_resources,
        on_read_resource=desk.read_resource,
    )


class _Handlers:
    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._worker = Worker()

    async def list_tools(
        self, ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        del ctx, params
        return ListToolsResult(tools=_listed())

    async def call_tool(self, ctx: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        try:
            return await self._call(ctx, params.name, params.arguments or {})
        except InputError as error:
            return _failed(one_line(error))
        except MemoryError:
            return _failed(f"{params.name}: memory ran out; stop other readings, or open a smaller study")
        except OSError as error:
            return _failed(f"{params.name}: files cannot be read or written ({error.strerror or type(error).__name__})")
        except Exception as error:  # its text may hold what must not be told
            logger.exception("tool %r failed", params.name)
            return _failed(f"{params.name}: unexpected {type(error).__name__}, a fault of this server; see its log")

    async def _call(self, ctx: ServerRequestContext[Any], name: str, given: Mapping[str, Any]) -> CallToolResult:
        async def beat(seconds: float) -> None:
            await ctx.session.report_progress(seconds, None, f"{name}: {seconds:.0f} s")

        if name == "list_studies":
            parse(ListStudies, given, name)
            return _result(await self._worker.run(self._studies, lambda: None, beat))
        if name == "open_study":
            wanted = parse(OpenStudy, given, name)
            made: list[Reading] = []

            def open_it() -> Reading:
                made.append(self._readings.open(wanted.study))
                return made[0]

            def close_it() -> None:
                for reading in made:
                    self._readings.close(reading)

            reading = await self._worker.run(open_it, close_it, beat)
            return _result(Opened(reading=reading.name, **reading.desk.facts().model_dump()))
        if name not in TOOLS and name != "export":
            known = ", ".join(tool.name for tool in _listed())
            raise InputError(f"there is no tool {name[:50]!r}; there are {known}")
        arguments = {key: value for key, value in given.items() if key != "reading"}
        wanted_reading = given.get("reading")
        if not isinstance(wanted_reading, str):
            raise InputError(f"{name}: reading: give the name that open_study gave")
        return await self._at(self._readings.get(wanted_reading), name, arguments, beat)

    async def _at(self, reading: Reading, name: str, arguments: dict[str, Any], beat: Any) -> CallToolResult:
        desk = reading.desk
        mark = desk.mark()

        def work() -> CallToolResult:
            try:
                if name == "export":
                    return _exported(self._readings, reading, parse(Export, arguments, name).forms)
                said = call(desk, name, arguments)
                picture = desk.sight.last.png if TOOLS[name].picture and desk.sight.last is not None else None
                return _result(said, picture)
            except InputError as error:
                # What reading a series says names its files.
                text = one_line(error)
                if reading.shelved is not None:
                    text = self._readings.shelf.without_names(text, reading.shelved)
                raise InputError(text) from error
            finally:
                free()

        def free() -> None:
            reading.busy = False

        def take_back() -> None:
            desk.go_back(mark)
            free()

        reading.busy = True
        return await self._worker.run(work, take_back, beat)

    def _studies(self) -> StudyList:
        found = [
            StudyEntry(study=one.study, dicom=one.dicom, ct=None if one.dicom else one.ct is not None)
            for one in self._readings.shelf.studies.values()
        ]
        return StudyList(studies=[*found, StudyEntry(study="demo", dicom=False, ct=True, simulated=True)])

    async def list_resources(
        self, ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        del ctx, params
        return ListResourcesResult(
            resources=[
                Resource(uri=f"{SCHEME}{name}", name=name, mime_type=_type_of(name), size=path.stat().st_size)
                for name, path in self._readings.files.items()
                if path.is_file()
            ]
        )

    async def read_resource(
        self, ctx: ServerRequestContext[Any], params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        del ctx
        uri = str(params.uri)
        # Only what was exported has a name here: nothing is looked up on the disk.
        path = self._readings.files.get(uri.removeprefix(SCHEME)) if uri.startswith(SCHEME) else None
        if path is None or not path.is_file():
            raise MCPError(code=INVALID_PARAMS, message="there is no such resource; export gives their names")
        blob = base64.b64encode(path.read_bytes()).decode()
        return ReadResourceResult(contents=[BlobResourceContents(uri=uri, blob=blob, mime_type=_type_of(path.name))])


def _listed() -> list[McpTool]:
    own: list[tuple[str, str, type[Arguments], type[Said], bool]] = [
        ("list_studies", "The studies that can be opened, by number.", ListStudies, StudyList, True),
        ("open_study", "Open a study: gives the reading that every other tool takes.", OpenStudy, Opened, False),
        ("export", "Write the mask as files, and link to them.", Export, Exported, False),
    ]
    listed = [_tool(name, text, model, said, reads, name == "export") for name, text, model, said, reads in own]
    return [
        *listed,
        *(_tool(t.name, t.description, t.arguments, t.said, not t.changes, True) for t in TOOLS.values()),
    ]


def _tool(name: str, text: str, model: type[Arguments], said: type[Said], reads: bool, at_reading: bool) -> McpTool:
    schema = model.model_json_schema()
    if at_reading:
        schema["properties"] = {"reading": _READING, **schema.get("properties", {})}
        schema["required"] = ["reading", *schema.get("required", ())]
    return McpTool(
        name=name,
        description=text,
        input_schema=schema,
        output_schema=said.model_json_schema(mode="serialization"),
        annotations=ToolAnnotations(read_only_hint=reads, destructive_hint=False, open_world_hint=False),
    )


def _result(said: Said, picture: bytes | None = None, links: Mapping[str, int] | None = None) -> CallToolResult:
    content: list[ContentBlock] = [TextContent(type="text", text=said.line())]
    if picture is not None:
        data = base64.b64encode(picture).decode()
        content.append(ImageContent(type="image", data=data, mime_type="image/png"))
    content += [
        ResourceLink(type="resource_link", uri=f"{SCHEME}{name}", name=name, mime_type=_type_of(name), size=size)
        for name, size in (links or {}).items()
    ]
    return CallToolResult(content=content, structured_content=said.model_dump(mode="json"))


def _exported(readings: Readings, reading: Reading, forms: list[Form]) -> CallToolResult:
    written = readings.export(reading, forms)
    links = {f"{reading.name}/{name}": path.stat().st_size for name, path in written.items()}
    return _result(Exported(files=[f"{SCHEME}{name}" for name in links]), links=links)


def _failed(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def _type_of(name: str) -> str:
    return next((kind for suffix, kind in TYPES.items() if name.endswith(suffix)), "application/octet-stream")
