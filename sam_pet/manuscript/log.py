"""What the log of a run says."""

from __future__ import annotations

from pathlib import Path

from sam_pet.audit.log import LOG, read_log
from sam_pet.manuscript.draft import Draft
from sam_pet.manuscript.facts import Facts


def log_facts(facts: Facts, folder: Path) -> None:
    """Take up when a run began and ended, and the head of its log; nothing where it has none."""
    if not (folder / LOG).is_file():
        return
    log = read_log(folder / LOG)
    times = [str(entry["time"]) for entry in log.entries if "time" in entry]
    if not times:
        return
    environments = [entry["details"]["environment"] for entry in log.entries
                    if "environment" in entry.get("details", {})]  # fmt: skip
    values = {
        "first": times[0][:19].replace("T", " "),
        "last": times[-1][:19].replace("T", " "),
        "lines": len(log.heads),
        "starts": len(environments),
        "head": log.heads[-1],
    }
    facts.add(LOG, values, "log.")
    if environments:
        about = {key: environments[-1].get(key) for key in ("device", "threads")}
        facts.add(LOG, about, "environment.")


def say_of_log(draft: Draft, item: int, sealed: bool = False) -> None:
    """Say when the run was, or by what its log can be checked; that it is missing where there is no log."""
    if "log.head" not in draft.facts:
        draft.miss(item, "the run has no log")
    elif sealed:
        draft.say(item, "The log of the run has {log.lines} lines; the SHA-256 of the last one is {log.head}.")
    else:
        draft.say(item, "The run began on {log.first} and ended on {log.last} (UTC).")
        if draft.facts["log.starts"].value > 1:
            draft.say(item, "It was started {log.starts} times and went on where it had been left.")
