"""`sam-pet models`: what models there are, and their files."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sam_pet.models.manifest import ModelManifest

models = typer.Typer(name="models", help="List, fetch, verify, convert and merge models.", no_args_is_help=True)

_COLUMNS = 100
_Folder = Annotated[Path | None, typer.Argument(metavar="[OUT]", help="The checkpoint folder to write, as --out.")]
_Out = Annotated[Path | None, typer.Option("--out", help="The checkpoint folder to write.")]
_Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")]


@models.command("list")
def list_models(as_json: _Json = False) -> None:
    """List the models known by name, and which of them are here."""
    from sam_pet.models import registry

    default = registry.find(registry.DEFAULT)
    rows = [
        {
            "name": entry.name,
            "about": entry.about,
            "family": entry.family,
            "licence": entry.licence,
            "megabytes": entry.megabytes,
            "source": entry.repository or ("embedded" if entry.folder else "built from a seed"),
            "here": entry.here,
            "sha256": entry.sha256,
        }
        for entry in registry.entries().values()
    ]
    if as_json:
        print(json.dumps({"default": default.name if default else None, "models": rows}))
        return
    _print_table(rows)
    if default is not None and default.name != registry.DEFAULT:
        typer.echo(f"'{registry.DEFAULT}' is {default.name}.")


def _print_table(rows: list[dict[str, Any]]) -> None:
    """One line a model, in 100 columns."""
    heads = {"name": "name", "family": "family", "licence": "licence", "size": "MB", "here": "here", "about": "about"}
    lines = [heads, *({**row, "size": row["megabytes"] or "", "here": "yes" if row["here"] else "no"} for row in rows)]
    widths = {key: max(len(str(line[key])) for line in lines) for key in heads if key != "about"}
    for line in lines:
        cells = [f"{line[key]:>{width}}" if key == "size" else f"{line[key]:<{width}}" for key, width in widths.items()]
        text = "  ".join([*cells, ""])
        typer.echo(text + shorten(line["about"], _COLUMNS - len(text), placeholder=" ..."))


@models.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name of `sam-pet models list`, or a hub id.")],
    as_json: _Json = False,
) -> None:
    """Fetch a model from the hub, check it, and say under which licence it is."""
    from sam_pet.models import hub, registry
    from sam_pet.models.hashes import read_hashes

    entry = registry.find(name)
    if entry is not None and entry.repository is None:
        _report({"name": entry.name, "folder": None, "licence": entry.licence, "sha256": {}}, as_json)
        return
    if entry is not None and entry.repository is not None:
        folder = hub.fetch(entry.repository, entry.files)
        licence, note = entry.licence, entry.note
    else:
        if not hub.HUB_ID.fullmatch(name):
            raise registry.unknown(name)
        folder = hub.fetch_checkpoint(name)
        licence, note = "see its source", f"Its licence stands on {hub.endpoint()}/{name}."
    if note:
        typer.echo(f"sam-pet: {name}: licence {licence}. {note}", err=True)
    _report({"name": name, "folder": str(folder), "licence": licence, "sha256": read_hashes(folder)}, as_json)


@models.command()
def verify(
    source: Annotated[
        str | None, typer.Argument(help="A name or a checkpoint folder; all that are here if not given.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Check the files of models against their recorded SHA-256."""
    from sam_pet.models.parts import NAMES
    from sam_pet.models.verify import record_of, verify_all
    from sam_pet.models.verify import verify as verify_model

    found = verify_all() if source is None else {source: verify_model(source)}
    records = {name: record_of(name) for name, files in found.items() if files}
    stale = {name: records[name].stale if name in records else {} for name in found}
    changed = {name: records[name].settings.changes if name in records else {} for name in found}
    if as_json:
        print(json.dumps({"verified": found, "stale": stale, "settings": changed}))
        return
    for name, files in found.items():
        typer.echo(f"{name}: {', '.join(files) + ' as recorded' if files else 'built from a seed, no files'}")
        for part, others in stale[name].items():
            fitted = " and ".join(f"another {NAMES[other]}" for other in others)
            typer.echo(f"{name}: its {NAMES[part]} was fitted to {fitted}; it is used all the same")
        for number, value in changed[name].items():
            typer.echo(f"{name}: {number} is {value:g}, not the default")


@models.command()
def convert(
    source: Annotated[str, typer.Argument(help="A .pt of SAM 2 or MedSAM2, or any other model that loads.")],
    folder: _Folder = None,
    out: _Out = None,
    name: Annotated[str | None, typer.Option(help="The model's name; else that of the file.")] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side of the input in pixels; else 1024, and 512 for MedSAM2.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Write a model as a checkpoint folder that describes itself."""
    from sam_pet.models.loading import convert_model

    place = _place(folder, out)
    _report_record(convert_model(source, place, name, image_size), place, as_json)


@models.command()
def merge(
    adapter: Annotated[Path, typer.Argument(help="The adapter's folder.")],
    folder: _Folder = None,
    out: _Out = None,
    base: Annotated[str | None, typer.Option(help="The base model, when it is not where the adapter says.")] = None,
    as_json: _Json = False,
) -> None:
    """Add an adapter into its base model and write the sum as a checkpoint folder."""
    from sam_pet.models.loading import merge_adapter

    place = _place(folder, out)
    _report_record(merge_adapter(adapter, place, base), place, as_json)


def _place(folder: Path | None, out: Path | None) -> Path:
    from sam_pet.errors import InputError

    if (folder is None) == (out is None):
        raise InputError("give the checkpoint folder to write once, as --out FOLDER or after the model")
    return folder or out or Path()


def _report_record(record: ModelManifest, out: Path, as_json: bool) -> None:
    content = {"name": record.name, "folder": str(out), "trained": record.trained, "sha256": record.sha256}
    _report(content, as_json)


def _report(content: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(content))
        return
    for key, value in content.items():
        lines = value.items() if isinstance(value, dict) else [("", value)]
        for file, text in lines:
            typer.echo(f"{key}: {f'{file} ' if file else ''}{'none' if text is None else text}")
