"""What agents were worth, method by method: turns, tokens, gain a turn, overshoot and wrong stops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sam_pet.benchmark.folder import Result
from sam_pet.page import Cell, Section, Table, number


def agent_summary(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """By method: sums and means over the cases that an agent worked on; empty where no agent did."""
    found: dict[str, dict[str, Any]] = {}
    for method in dict.fromkeys(result["method"] for result in results):
        agents = [result["agent"] for result in results if result["method"] == method and "agent" in result]
        if not agents:
            continue
        turns = sum(agent["turns"] for agent in agents)
        gained = sum(agent["dice"][-1] - agent["dice"][0] for agent in agents)
        found[method] = {
            "cases": len(agents),
            "turns": turns / len(agents),
            "calls": float(np.mean([agent["calls"] for agent in agents])),
            "faults": sum(agent["faults"] for agent in agents),
            "tokens_read": sum(agent["tokens_read"] for agent in agents),
            "tokens_written": sum(agent["tokens_written"] for agent in agents),
            "parsimony": gained / turns if turns else None,
            "overshoot": float(np.mean([agent["overshoot"] for agent in agents])),
            "stopped": sum(bool(agent["stopped"]) for agent in agents),
            "wrong_stops": sum(bool(agent["wrong_stop"]) for agent in agents),
        }
    return found


def agent_section(summary: dict[str, dict[str, Any]]) -> Section:
    """The table of `agent_summary`."""
    rows = [
        [
            method,
            number(one["turns"], 1),
            number(one["calls"], 1),
            str(one["faults"]),
            f"{one['tokens_read']} / {one['tokens_written']}",
            number(one["parsimony"], 4),
            number(one["overshoot"], 3),
            f"{one['wrong_stops']} of {one['stopped']}",
        ]
        for method, one in summary.items()
    ]
    return Section(
        "The agent",
        [
            "Turns and calls of tools: means over cases. Parsimony: Dice gained a turn. Overshoot: best minus last "
            "Dice. Wrong stops: it stopped although the challenge's next stroke would have gained 0.02 Dice."
        ],
        [
            Table(
                [
                    "method",
                    "turns",
                    "calls",
                    "faults",
                    "tokens read / written",
                    "parsimony",
                    "overshoot",
                    "wrong stops",
                ],
                [[Cell(text) for text in row] for row in rows],
            )
        ],
    )
