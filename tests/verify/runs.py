"""What tests do to runs, and what is found of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sam_pet.audit.log import LOG, NOTHING
from sam_pet.audit.seal import MANIFEST, content_sha256
from sam_pet.files import write_json
from sam_pet.verify import Verification


def differs(found: Verification) -> set[str]:
    return {check.what for check in found.checks if check.status == "differs"}


def status(found: Verification, what: str) -> str:
    return next(check.status for check in found.checks if check.what == what)


def flip(path: Path, place: int = -20) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def edit_log(folder: Path, number: int, **changes: Any) -> None:
    """Change a line of the log and nothing else."""
    lines = (folder / LOG).read_text().splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **changes})
    (folder / LOG).write_text("\n".join([*lines, ""]))


def forge_log(folder: Path, number: int, **changes: Any) -> None:
    """Change a line of the log, and make chain, seal and manifest fit again."""
    edit_log(folder, number, **changes)
    manifest = json.loads((folder / MANIFEST).read_text())
    head, texts = NOTHING, []
    for line in map(json.loads, (folder / LOG).read_text().splitlines()):
        line["previous"] = head
        if line["action"] == "seal":
            line["details"] = {"manifest_sha256": content_sha256(manifest)}
        texts.append(json.dumps(line, ensure_ascii=False))
        head = hashlib.sha256(texts[-1].encode()).hexdigest()
    (folder / LOG).write_text("\n".join([*texts, ""]))
    write_json({**manifest, "audit": {"lines": len(texts), "head": head}}, folder / MANIFEST)
