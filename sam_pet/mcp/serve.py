"""Serving: over standard input and output, or over HTTP to programs of this machine."""

from __future__ import annotations

import socket
import sys
from typing import Any

import anyio
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from sam_pet.errors import InputError

HOST, PATH = "127.0.0.1", "/mcp"


def serve_stdio(server: Server[Any]) -> None:
    """Serve the program at the other end of standard input and output until it closes them."""

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)


def serve_http(server: Server[Any], port: int) -> None:
    """Serve programs of this machine over streamable HTTP until it is told to end; port 0 takes a free one.

    Raises:
        InputError: the port is taken.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise InputError(f"mcp: port {port} cannot be had ({error.strerror}); give another --port") from error
    with listening:
        print(f"http://{HOST}:{listening.getsockname()[1]}{PATH}", file=sys.stderr, flush=True)
        app = server.streamable_http_app(streamable_http_path=PATH, host=HOST)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
        anyio.run(uvicorn.Server(config).serve, [listening])
