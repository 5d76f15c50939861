"""`sam-pet serve`: the reading room in the browser, and its API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    studies: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[STUDY]...", help="DICOM folders, or folders of images; else a simulated study."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    folder: Annotated[
        Path | None, typer.Option(help="Where sessions and uploads lie; by default in the user's data folder.")
    ] = None,
    reader: Annotated[list[str] | None, typer.Option(help="Who may read; each gets an address.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A further host name, as of a reverse proxy.")] = None,
    dicomweb: Annotated[str | None, typer.Option(help="DICOMweb address of a PACS.")] = None,
    memory_gb: Annotated[float, typer.Option(help="What open sessions may hold together.")] = 4.0,
    upload_gb: Annotated[float, typer.Option(help="The largest upload, unpacked.")] = 4.0,
    model: Annotated[str, typer.Option(help="As for `segment`.")] = "default",
    device: Annotated[str, typer.Option(help="As for `segment`.")] = "auto",
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
) -> None:
    """Open studies in the browser: click, correct, measure, export. Listens on this machine alone by default."""
    from sam_pet.errors import InputError

    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"serve: this needs {error.name}; pip install 'sam-pet[app]'") from error
    from sam_pet.app.run import run
    from sam_pet.app.settings import READER, AppSettings, default_folder
    from sam_pet.files import require_folder

    settings = AppSettings(
        folder=(default_folder() if folder is None else folder).absolute(),
        studies=tuple(path.absolute() for path in studies or ()),
        model=model,
        device=device,
        readers=tuple(dict.fromkeys(reader or [READER])),
        hosts=tuple(allow_host or ()),
        dicomweb=dicomweb,
        memory_bytes=int(memory_gb * (1 << 30)),
        upload_bytes=int(upload_gb * (1 << 30)),
    )
    if min(settings.memory_bytes, settings.upload_bytes) <= 0:
        raise InputError("serve: --memory-gb and --upload-gb must be above 0")
    missing = [path for path in settings.studies if not path.exists()]
    if missing:
        raise InputError(f"serve: no such file or folder: {missing[0]}")
    require_folder(settings.folder)
    run(settings, host, port, browser=browser)
