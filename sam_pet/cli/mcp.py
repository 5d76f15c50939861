"""`sam-pet mcp`: a server that lets an assistant look at studies and segment them."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

logger = logging.getLogger(__name__)


class _Transport(StrEnum):
    stdio = "stdio"
    http = "http"


def mcp(
    studies: Annotated[
        Path, typer.Option(help="Folder of studies; only these can be opened: folders with SUV and CTres, DICOM ...")
    ],
    out: Annotated[Path, typer.Option(help="Folder for exports, the only one that is written to.")] = Path("mcp-out"),
    transport: Annotated[
        _Transport, typer.Option(help="stdio for a client that starts it, http for programs of this machine.")
    ] = _Transport.stdio,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of http; 0 takes a free one.")] = 8765,
    model: Annotated[str, typer.Option(help="As for `segment`.")] = "default",
    device: Annotated[str, typer.Option(help="As for `segment`.")] = "auto",
) -> None:
    """Serve the Model Context Protocol: an assistant opens studies, looks, clicks, corrects, measures and exports."""
    from sam_pet.errors import InputError

    try:
        import mcp as sdk  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError("mcp: the server needs the package mcp; pip install 'sam-pet[agent]'") from error
    from sam_pet.mcp.readings import Readings
    from sam_pet.mcp.serve import serve_http, serve_stdio
    from sam_pet.mcp.server import make_server
    from sam_pet.mcp.shelf import Shelf

    readings = Readings(Shelf(studies), out, model, device)
    logging.getLogger("sam_pet").setLevel(logging.INFO)
    # Here alone, where the assistant does not see it.
    for shelved in readings.shelf.studies.values():
        logger.info("%s is %s", shelved.study, shelved.name)
    server = make_server(readings)
    if transport is _Transport.stdio:
        serve_stdio(server)
    else:
        serve_http(server, port)
