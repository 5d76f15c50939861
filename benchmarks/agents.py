"""`agent:rule` against the challenge's scribble reader, which knows the truth, from the same first answers.

    python benchmarks/agents.py --data DATA --out runs/agents --world A --n 20
    python benchmarks/agents.py --data DATA --out runs/agents --world B --n 30

Worlds are those of benchmarks/worlds.py: A simulated whole-body studies, B real organ maps with their patients'
lesions, both simulated on voxels of at least 4 mm. The reader draws up to five strokes, then they are taken back and
the agent works from the same first answer. Each case is one line of OUT/cases.jsonl: started again, the run goes on.
The table of all cases so far goes to OUT/table.json, and is printed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from worlds import Plan, case_of, plans

from sam_pet.agent.desk import Desk
from sam_pet.agent.policies import make_policy
from sam_pet.benchmark.agents import run_policy
from sam_pet.benchmark.resources import Usage
from sam_pet.readers import CHALLENGE_SEED, make_reader
from sam_pet.scores import score
from sam_pet.segmenter import Segmenter

READER = "scribble-mixed"


def run(plan: Plan, options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    case = case_of(plan, options)
    study = case.study()
    truth = case.mask(study.grid)
    desk = Desk(Segmenter.from_pretrained("default").open(study))
    started = time.perf_counter()
    desk.first_answer("auto")
    opening = Usage(time.perf_counter() - started)
    session, reader = desk.session, make_reader(READER, plan.name, CHALLENGE_SEED)

    def dice() -> float:
        return score(session.array, truth, study.grid.spacing).dice

    curve = [dice()]
    for step in range(1, options.steps + 1):
        stroke = reader.correct(session.array, truth, study, step)
        if stroke is None:
            break
        session.add(stroke.prompt)
        curve.append(dice())
    while session.prompts:
        session.undo()
    outcome = run_policy(case, desk, make_policy(options.agent), options.steps, opening)
    assert outcome.agent is not None
    return {
        "world": plan.world,
        "case": plan.name,
        "lesions": outcome.facts["lesions"],
        "reader": curve,
        "agent": outcome.agent,
        "actions": [row["action"] for row in outcome.rows if row["action"]],
        "seconds": [row["seconds"] for row in outcome.rows],
    }


def summarise(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The table of some cases: means over those with lesions, and what happens in those without."""
    shown, free = ([r for r in results if bool(r["lesions"]) == with_lesions] for with_lesions in (True, False))

    def mean(values: list[float]) -> float | None:
        return round(float(np.mean(values)), 3) if values else None

    def at(curve: list[float], turn: int) -> float:
        return curve[min(turn, len(curve) - 1)]

    gains = [r["agent"]["dice"][-1] - r["agent"]["dice"][0] for r in shown]
    turns = sum(r["agent"]["turns"] for r in shown)
    return {
        "cases": len(shown),
        "dice_first_answer": mean([r["reader"][0] for r in shown]),
        "dice_reader": mean([r["reader"][-1] for r in shown]),
        "dice_reader_at_the_agents_turns": mean([at(r["reader"], r["agent"]["turns"]) for r in shown]),
        "dice_agent": mean([r["agent"]["dice"][-1] for r in shown]),
        "turns_reader": mean([len(r["reader"]) - 1 for r in shown]),
        "turns_agent": mean([r["agent"]["turns"] for r in shown]),
        "gain_a_turn_agent": round(sum(gains) / turns, 4) if turns else None,
        "overshoot_agent": mean([r["agent"]["overshoot"] for r in shown]),
        "wrong_stops": sum(bool(r["agent"]["wrong_stop"]) for r in shown),
        "worse_than_first_answer": sum(gain < -0.01 for gain in gains),
        "better_than_first_answer": sum(gain > 0.01 for gain in gains),
        "free_cases": len(free),
        "free_dice_first_answer": mean([r["reader"][0] for r in free]),
        "free_dice_agent": mean([r["agent"]["dice"][-1] for r in free]),
        "dice_all_reader": mean([r["reader"][-1] for r in results]),
        "dice_all_agent": mean([r["agent"]["dice"][-1] for r in results]),
        "agent_seconds_a_turn": mean([s for r in results for s in r["seconds"][1 : 1 + r["agent"]["turns"]]]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--world", nargs="+", default=["A", "B"])
    parser.add_argument("--n", type=int, default=20, help="cases of each world")
    parser.add_argument("--first", type=int, default=92000, help="first seed of world A")
    parser.add_argument("--agent", default="agent:rule")
    parser.add_argument("--coarsest-mm", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--most", type=int, help="run at most so many more cases now")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    lines = options.out / "cases.jsonl"
    results = [json.loads(line) for line in lines.read_text().splitlines()] if lines.is_file() else []
    done = {(r["world"], r["case"]) for r in results}
    wanted = [p for world in options.world for p in plans(world, options) if (p.world, p.name) not in done]
    # A run that is cut short has some of all kinds.
    random.Random(0).shuffle(wanted)
    wanted = wanted[: options.most]
    with ProcessPoolExecutor(options.jobs) as pool:
        for future in [pool.submit(run, plan, options) for plan in wanted]:
            results.append(future.result())
            with lines.open("a") as stream:
                stream.write(json.dumps(results[-1]) + "\n")
            one = results[-1]
            print(one["world"], one["case"][:30], one["reader"], one["agent"]["dice"], one["actions"], file=sys.stderr)
    table = {world: summarise([r for r in results if r["world"] == world]) for world in {r["world"] for r in results}}
    table = dict(sorted(table.items())) | {"all": summarise(results)}
    (options.out / "table.json").write_text(json.dumps(table, indent=1) + "\n")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
