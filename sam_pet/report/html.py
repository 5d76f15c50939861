"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

from sam_pet.page import Cell, Image, Section, Table, number, render
from sam_pet.plots.mips import mip
from sam_pet.plots.style import png
from sam_pet.report import pictures
from sam_pet.report.content import COLUMNS, Content, prompt_rows

_SLICES = 6


def page(content: Content) -> str:
    """The page."""
    sections = [
        Section("Totals", [], [_pairs(content.total_lines)]),
        Section(
            "Maximum-intensity projections",
            [],
            [],
            [Image(png(mip(content.study, content.labels, content.suv), dpi=130), _projections(content), "png")],
        ),
        Section("Lesions", _notes(content), [_lesions(content)] if len(content.table) else []),
        Section("How it was made", [], [_pairs(content.facts)]),
    ]
    shown = content.largest[:_SLICES]
    if shown:
        image = Image(png(pictures.slices(content, shown), dpi=130), _slices(content, len(shown)), "png")
        sections.insert(3, Section("Slices", [], [], [image]))
    if content.record is not None and content.record.drawn:
        rows = [[Cell(str(i)), *(Cell(text) for text in row)] for i, row in enumerate(prompt_rows(content.record))]
        columns = ["prompt", "kind", "label", "lesions", "voxels", "first voxel (x, y, z)"]
        sections.append(Section("Prompts", ["In the order in which they were drawn."], [Table(columns, rows)]))
    return render(content.title, [], sections)


def _pairs(lines: list[tuple[str, str]]) -> Table:
    return Table([], [[Cell(name), Cell(value)] for name, value in lines])


def _lesions(content: Content) -> Table:
    rows = []
    for row in content.table.to_dict("records"):
        centre = ", ".join(f"{row[f'centroid_{axis}']:.0f}" for axis in "xyz")
        rows.append([*(Cell(number(row[column], digits)) for column, _, digits in COLUMNS), Cell(centre)])
    return Table([*(heading for _, heading, _ in COLUMNS), "centre (x, y, z), mm LPS"], rows)


def _notes(content: Content) -> list[str]:
    if not len(content.table):
        return ["There is none."]
    return [
        "SUVpeak: the highest mean in a 1 mL sphere. TLG: SUVmean times volume. Diameter: the largest in any "
        "direction. Dmax: the distance between the centres of the two lesions farthest apart."
    ]


def _projections(content: Content) -> str:
    low, high = content.suv
    return f"PET, SUV {low:g} (white) to {high:g} (black); lesions in colour, with the numbers of the table."


def _slices(content: Content, count: int) -> str:
    total = len(content.table)
    which = "Each lesion" if count == total else f"The {count} largest of {total} lesions"
    return f"{which} in the axial slice that holds most of it."
