"""Makes the table of numbers in `architecture.md` from the code.

`python docs/settings_table.py` writes it; a test says whether it is of today's code.
"""

from __future__ import annotations

from pathlib import Path

from sam_pet.settings import InferenceSettings

PAGE = Path(__file__).parent / "architecture.md"
START, END = "| number | default | from | to | what it is |\n", "\n\nWhat networks"


def table() -> str:
    lines = [START.strip(), "| --- | ---: | ---: | ---: | --- |"]
    for number in InferenceSettings.numbers():
        values = " | ".join(f"{value:g}" for value in (number.default, number.low, number.high))
        lines.append(f"| `{number.name}` | {values} | {number.about} |")
    return "\n".join(lines)


def page() -> str:
    """The page with the table of today."""
    text = PAGE.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{PAGE} has no table of numbers")
    return f"{before}{table()}{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
