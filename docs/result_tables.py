"""Fills the tables of figures in these pages from what benchmarks have kept in `benchmarks/results/`.

`python docs/result_tables.py` writes them; a test says whether they are those of today's files. A table stands between
`<!-- figures: NAME -->` and `<!-- end of figures -->`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"
# How parts are called in files and in pages.
PARTS = {
    "all parts": "nothing",
    "contour": "contour network",
    "ranker": "outline ranker",
    "appearance": "appearance network, lesion classifier",
}
TABLE = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def kept(name: str) -> Any:
    """What a benchmark has kept; see `benchmarks/kept.py`."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def markdown(head: str, rows: Iterable[Iterable[object]]) -> str:
    """A table; its first column is text, the others are aligned to the right."""
    columns = head.count("|")
    lines = [f"| {head} |", "| --- |" + " ---: |" * columns]
    lines += ["| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float | None, digits: int = 2) -> str | None:
    return None if value is None else f"{value:,.{digits}f}"


def speed(found: Any) -> str:
    times = {row["what"]: row for part in found.values() if isinstance(part, list) for row in part}
    rows = [
        ("first click", "first click", ""),
        ("tumor stroke", "tumor stroke", "to_first_click"),
        ("background stroke", "background stroke", "to_first_click"),
        ("first answer", "first answer", "to_first_click"),
        ("`import sam_pet`", "import sam_pet", ""),
        ("`import torch`", "import torch", ""),
        ("a model loaded, all imports with it", "a model loaded", ""),
        ("`sam-pet segment`, one click on a small study", "sam-pet segment, one click", ""),
        ("reading the PET from `.nii.gz`, by SimpleITK alone", "reading, SimpleITK", ""),
        ("reading the PET from `.nii.gz`", "reading, sam_pet", "cpu_s_ratio"),
    ]
    beside = {"to_first_click": "of a first click", "cpu_s_ratio": "of SimpleITK's"}
    return markdown(
        "operation | CPU s | beside",
        (
            (shown, number(times[what]["cpu_s"]), f"{times[what][ratio]:.2f} {beside[ratio]}" if ratio else "")
            for shown, what, ratio in rows
        ),
    )


def other_ways(found: Any) -> str:
    ways = found["others"]
    shown = {"sam-pet": "`sam-pet`", "sam2-slices": "slice by slice", "sam2-stock": "the loop of `transformers`"}
    count = ways[0]["what"].split()[0]
    return markdown(
        f"{count} lesions, one click each | CPU s | times ours",
        ((shown[row["what"].split(", ")[1]], number(row["cpu_s"], 1), number(row["to_ours"], 1)) for row in ways),
    )


def scaling(found: Any) -> str:
    times = {row["what"]: row["cpu_s"] for row in found["scaling"]}
    few, many = times["first click, 100 slices"], times["first click, 1000 slices"]
    lesions = [seconds for what, seconds in times.items() if what.startswith("click on lesion")]
    rows = [
        ("a first click, 100 of 1000 slices", few, None),
        ("the same, all 1000 slices", many, many / few),
        ("a click on the first lesion of a session", lesions[0], None),
        (f"on one of {len(lesions)}, mean", sum(lesions) / len(lesions), sum(lesions) / len(lesions) / lesions[0]),
        ("strokes 1 to 5 on a lesion", times["strokes 1 to 5"], None),
        ("strokes 16 to 20", times["strokes 16 to 20"], times["strokes 16 to 20"] / times["strokes 1 to 5"]),
    ]
    return markdown("operation | CPU s | ratio", ([what, number(s), number(ratio)] for what, s, ratio in rows))


def threads(found: Any) -> str:
    tasks = list(found["default_to_best"])
    rows = [[name, *(number(row[task]) for task in tasks)] for name, row in found["seconds"].items()]
    ratios = ["default, of the best by hand", *(number(found["default_to_best"][task]) for task in tasks)]
    return markdown(" | ".join(("setting", *tasks)), [*rows, ratios])


def app(found: Any) -> str:
    frames = {
        "axial slice further": "axial",
        "coronal": "coronal",
        "sagittal": "sagittal",
        "projection turned a step": "mip",
        "another share of PET": "fuse",
        "lesions hidden or shown": "mask",
    }

    def row(shown: str, seconds: Callable[[dict[str, Any]], str]) -> list[str]:
        return [shown, *(seconds(run) for run in found.values())]

    def each(times: list[dict[str, float]]) -> str:
        return ", ".join(f"{time['wall_s']:.2f}" for time in times)

    return markdown(
        " | ".join(("", *(size.replace("x", " x ") for size in found))),
        [
            row("study to first picture", lambda run: f"{run['first_picture']['wall_s']:.1f}"),
            *(row(shown, lambda run, f=frame: f"{run['frame'][f]['wall_s']:.3f}") for shown, frame in frames.items()),  # type: ignore[misc]
            row("three clicks, each to its mask on the screen", lambda run: each(run["click"])),
            row("the same three without server and page", lambda run: each(run["session"])),
        ],
    )


def whole_body(found: Any) -> str:
    runs = found["whole_body"]
    steps = {
        "reading CT and PET, with the key of their content": "read_s",
        "first answer without prompts, lesions measured": "answer_s",
        "writing mask and manifest": "write_s",
        "report, if wanted": "report_s",
        "start of a worker: imports, weights; once": "start_s",
    }
    sizes = " | ".join(grid.partition("@")[0].replace("x", " x ") for grid in runs)
    return markdown(
        f"CPU s | {sizes}",
        [
            *([shown, *(number(run[name], 1) for run in runs.values())] for shown, name in steps.items()),
            ["MB read", *(number(run["in_mb"], 0) for run in runs.values())],
            ["lesions found", *(number(run["lesions"], 0) for run in runs.values())],
            ["peak memory, MB", *(number(run["peak_mb"], 0) for run in runs.values())],
        ],
    )


def workers(found: Any) -> str:
    one, two = found["workers_1"], found["workers_2"]
    rows = [
        ["studies a minute, one worker", one["studies_a_minute"]],
        ["studies a minute, two workers", two["studies_a_minute"]],
        ["two to one", found["speedup_of_two"]],
        ["two to one where the work waits and does not compute", found["speedup_of_two_asleep"]],
        ["CPU s a study beyond the work itself", found["overhead_cpu_s_a_study"]],
        ["of these start-up", found["of_that_start_up"]],
        ["CPU s a study of a second start, all done", round(found["second_start"]["cpu_s"] / found["studies"], 3)],
    ]
    return markdown(f"{found['studies']} small studies | ", rows)


def costs(found: Any) -> str:
    """What a cohort costs by the rates of a study of 400 x 400 x 326 voxels and the prices that the page assumes."""
    page = (DOCS / "scale.md").read_text(encoding="utf-8")
    rate = next(iter(found["whole_body"].values()))
    head = kept("scale")["found"]["bookkeeping"][-1]["first"]["us_a_case_head"] / 1e6

    def assumed(what: str) -> float:
        line = next(line for line in page.splitlines() if line.startswith(f"| {what} |"))
        return float(re.findall(r"\d+(?:\.\d+)?", line.split("|")[2])[0])

    core_h = (rate["read_s"] + rate["answer_s"] + rate["write_s"]) / 3600
    gpu_h = assumed("a study on a GPU") / 3600
    gb = assumed("a study as stored")
    a_study = [
        ("core hours, without prompts", core_h),
        ("minutes on 64 cores", core_h / 64 * 60),
        ("core hours more for reports", rate["report_s"] / 3600),
        ("GPU hours instead", gpu_h),
        ("inputs, GB", gb),
        ("masks and manifests, GB", rate["out_kb"] / 1e6),
        ("reports, GB", rate["report_mb"] / 1e3),
        ("files written", 2),
        ("CPU seconds of heads", head),
        ("cores, US dollars", core_h * assumed("a core hour")),
        ("GPUs instead, US dollars", gpu_h * assumed("a GPU hour with its cores")),
        ("inputs kept for a month, US dollars", gb * assumed("a GB for a month")),
    ]
    counts = (1_000, 100_000, 10_000_000)
    return markdown(
        " | ".join(("", *(f"{count:,}" for count in counts))),
        ([what, *(two_digits(one * count) for count in counts)] for what, one in a_study),
    )


def two_digits(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{float(f'{value:.2g}'):,.0f}"


def scheduler(found: Any) -> str:
    keys = ("us_a_case", "workers_died", "given_up", "busy_share", "peak_mb")
    return markdown(
        "studies | CPU µs a study | workers that died | given up | workers busy | peak memory, MB",
        ([f"{run['cases']:,}", *(f"{run[key]:,}" for key in keys)] for run in found["scheduler"]),
    )


def bookkeeping(found: Any) -> str:
    return markdown(
        "studies | head, CPU µs a study | a second start | manifest and mask in a worker | peak memory, MB "
        "| entries of `out`",
        (
            [
                f"{run['cases']:,}",
                number(run["first"]["us_a_case_head"], 0),
                number(run["second"]["us_a_case_head"], 0),
                number(run["first"]["us_a_case_worker"], 0),
                number(run["second"]["peak_mb"], 0),
                f"{run['entries_of_the_folder']:,}",
            ]
            for run in found["bookkeeping"]
        ),
    )


def by_world(found: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, run in sorted(found.items()):
        world, start = name.split(", ")
        yield world, start, run


def cases(run: dict[str, Any]) -> str:
    return f"{run['cases']} ({run['lesion_free']})"


def bare(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


def worlds(found: Any) -> str:
    return markdown(
        "world | start | cases (lesion-free) | Dice at steps 0 to 5 | AUC-Dice | AUC-DMM | lesion-free AUC-Dice "
        "| strokes that lower Dice | most false mL by one stroke",
        (
            [
                world,
                start,
                cases(run),
                " ".join(bare(dice) for dice in run["dice_by_step"]),
                number(run["auc_dice"]),
                number(run["auc_dmm"]),
                number(run["lesion_free_auc_dice"]),
                f"{round(run['strokes'] * run['strokes_that_lower_dice'])} of {run['strokes']}",
                number(run["most_false_ml_a_stroke"], 0),
            ]
            for world, start, run in by_world(found)
        ),
    )


def worlds_at_first(found: Any) -> str:
    runs: dict[str, dict[str, Any]] = {}
    for world, start, run in by_world(found):
        runs.setdefault(world, {})[start] = run

    def both(one: dict[str, Any], what: str) -> str:
        return "; ".join(f"{one[start][what]:.2f}" for start in ("first answer", "strokes alone"))

    return markdown(
        "world | cases (lesion-free) | AUC-Dice with; without | AUC-DMM with; without | Dice of the first answer "
        "| lesion-free AUC-Dice",
        (
            [
                world,
                cases(one["first answer"]),
                both(one, "auc_dice"),
                both(one, "auc_dmm"),
                number(one["first answer"]["dice_by_step"][0]),
                number(one["first answer"]["lesion_free_auc_dice"]),
            ]
            for world, one in runs.items()
        ),
    )


def false_lesions(found: Any) -> str:
    rows = []
    for world, run in sorted(found.items()):
        for strategy in ("centerline", "random", "boundary"):
            false, true = run[f"false, {strategy}"], run[f"true, {strategy}"]
            gone = [number(share) for share in false["gone_after"]]
            rows.append([world, strategy, false["lesions"], *gone, true["lesions"], number(true["gone_after"][0])])
    return markdown("world | stroke | false lesions | gone after one | after two | true lesions | lost by one", rows)


def first_clicks(found: Any) -> str:
    rows = []
    for world, lines in sorted(found.items()):
        places = list(dict.fromkeys(line["place"] for line in lines))
        for part in dict.fromkeys(line["without"] for line in lines):
            own = {line["place"]: line for line in lines if line["without"] == part}
            dice = [number(own[place]["dice"], 3) for place in places]
            lost = [] if part == "nothing" else [own[place] for place in places]
            worth = ", ".join(f"{line['lost']:.3f} ({line['standard_error']:.3f})" for line in lost)
            rows.append([world, own[places[0]]["lesions"], PARTS.get(part, part), *dice, worth])
    return markdown("world | lesions | without | innermost | hottest | random | lost (standard error)", rows)


def parts(found: Any) -> str:
    return markdown(
        "without | Dice, click | after five strokes | AUC-Dice | lost | standard error",
        (
            [
                PARTS[part],
                *(number(row[score], 3) for score in ("dice_first", "dice_last", "auc_dice")),
                *(number(row[score] if part != "all parts" else None, 3) for score in ("lost", "standard_error")),
            ]
            for part, row in found.items()
            if part in PARTS
        ),
    )


def adapters(found: Any) -> str:
    return markdown(
        "variant | after a click | after five scribbles | weights trained, % | s per step | MB stored",
        (
            [
                row["variant"],
                number(row["dice_click"], 3),
                number(row["dice_5_scribbles"], 3),
                number(row.get("trained_percent"), 1),
                number(row.get("seconds_a_step"), 1),
                number(row.get("stored_mb")),
            ]
            for row in found["variants"]
        ),
    )


def from_default(found: Any) -> str:
    shown = {
        "sam-pet": "`default`",
        "sam-pet:runs/sts-lora/checkpoint": "with the adapter",
        "sam-pet:runs/sts-merged": "the two merged",
    }
    return markdown(
        "model | click | 1 | 2 | 3 | 4 | 5 | AUC-Dice",
        (
            [shown[name], *(number(dice, 3) for dice in run["dice"]), number(run["auc_dice"])]
            for name, run in found["methods"].items()
        ),
    )


# Of each table the results that it is made of.
TABLES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "speed": ("speed", speed),
    "other-ways": ("speed", other_ways),
    "scaling": ("speed", scaling),
    "threads": ("threads", threads),
    "app": ("app", app),
    "whole-body": ("cohort", whole_body),
    "workers": ("cohort", workers),
    "costs": ("cohort", costs),
    "scheduler": ("scale", scheduler),
    "bookkeeping": ("scale", bookkeeping),
    "worlds": ("worlds", worlds),
    "worlds-at-first": ("worlds", worlds_at_first),
    "false-lesions": ("false_lesions", false_lesions),
    "first-clicks": ("first_clicks", first_clicks),
    "parts": ("parts", parts),
    "adapters": ("adapters", adapters),
    "from-default": ("sts_lora", from_default),
}


def table(name: str) -> str:
    """A table, and below it when and by what its figures were found."""
    file, make = TABLES[name]
    run = kept(file)
    days = " to ".join(sorted({min(run["days"].values()), max(run["days"].values())}))
    cores = "1 CPU core" if run["cpus"] == 1 else f"{run['cpus']} CPU cores"
    return f"{make(run['found'])}\n\nMeasured by `{run['made_by']}`, {days}, {cores}."


def pages() -> Iterator[tuple[Path, str]]:
    """The pages that hold such tables, with those of today."""
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if TABLE.search(text):
            yield path, TABLE.sub(lambda match: f"{match[1]}{table(match[2])}\n{match[3]}", text)


if __name__ == "__main__":
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
