"""`sam-pet evaluate`: methods under one simulated reader, and a report."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class _Start(StrEnum):
    nothing = "nothing"
    click = "click"


def evaluate(
    cases: Annotated[Path, typer.Option(help="Folder of cases: nnU-Net layout, or a folder a case.")],
    method: Annotated[
        list[str], typer.Option(help="Method to run; give several. The first is the one others are compared with.")
    ],
    reader: Annotated[
        str,
        typer.Option(
            help="Simulated reader: scribble-mixed, click-center, box, replay:FILE, or agent:rule, agent:llm:MODEL."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for results and report; a run in it is continued.")],
    steps: Annotated[int, typer.Option(min=0, help="Corrections after step 0.")] = 5,
    start: Annotated[
        _Start, typer.Option(help="Step 0: without prompts as in the challenge, or after the reader's first click.")
    ] = _Start.nothing,
    names: Annotated[str | None, typer.Option(help="Only these cases, names separated by commas.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the reader; the challenge uses 42.")] = 42,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Run methods on cases, let a simulated reader correct them, and write a report."""
    from rich.console import Console
    from rich.progress import Progress

    from sam_pet.benchmark.folder import Result, ResultsFolder
    from sam_pet.benchmark.protocol import Protocol
    from sam_pet.benchmark.run import evaluate as run
    from sam_pet.cases import find_cases

    protocol = Protocol(reader, steps, start.value, seed)
    found = find_cases(cases, None if names is None else [name for name in names.split(",") if name])
    chosen = list(dict.fromkeys(method))
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("evaluate", total=len(found) * len(chosen))

        def report(result: Result) -> None:
            progress.update(bar, advance=1, description=result["method"])
            if "error" in result:
                console.print(f"{result['method']}, {result['case']}: {result['error']}", highlight=False)

        results = run(found, chosen, protocol, out, workers, report)

    from sam_pet.benchmark.report import write_report

    summary = write_report(ResultsFolder(out), results, found, protocol, reference=chosen[0])
    if as_json:
        print(json.dumps(summary))
    else:
        _print_table(summary)
        _print_agents(summary.get("agents", {}))
    if summary["failed"]:
        raise typer.Exit(1)


def _print_table(summary: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    def text(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    table = Table("method", "rank", "AUC-Dice", "AUC-DMM", "Dice, last", "DMM, last", "seconds a step")
    for name, row in summary["methods"].items():
        scores = [text(row[key]) for key in ("auc_dice", "auc_dmm", "dice", "dmm", "seconds")]
        table.add_row(name, f"{row['rank']:g}", *scores)
    console = Console()
    console.print(table)
    console.print(f"{summary['cases']} cases, {len(summary['failed'])} failures: {summary['report']}", highlight=False)


def _print_agents(agents: dict[str, Any]) -> None:
    from rich.console import Console

    for name, one in agents.items():
        gain = "" if one["parsimony"] is None else f", Dice {one['parsimony']:+.3f} a turn"
        Console().print(
            f"{name}: {one['turns']:.1f} turns a case{gain}, overshoot {one['overshoot']:.3f}, "
            f"{one['wrong_stops']} wrong stops, {one['tokens_read']} tokens read, {one['tokens_written']} written",
            highlight=False,
        )
