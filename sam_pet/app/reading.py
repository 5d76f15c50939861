"""A session that is open: the package's `Session`, its journal, its names, and what windows are told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sam_pet.app.journal import Op
from sam_pet.app.numbered import NumberedMask
from sam_pet.app.problems import NotNowError, NotThereError
from sam_pet.app.rules import MODEL, OUTLINES, PRESELECT, RULES, outline, regions
from sam_pet.app.table import LesionTable
from sam_pet.errors import InputError
from sam_pet.labels import Colour, lesion_colour, lesion_name
from sam_pet.prompt_files import KINDS, parse_prompts, record_of
from sam_pet.prompts import Paint, Prompt, Rejection, Voxels, paint
from sam_pet.readers.stroke import Stroke
from sam_pet.session.concern import concerned, fresh_number
from sam_pet.session.session import Session
from sam_pet.session.state import Entry
from sam_pet.study import Study

_RECORD = {"type": "sam_pet prompts"}
Watch = Callable[[int], None]


@dataclass(frozen=True)
class LesionFacts:
    """What a reader has said of a lesion beside its mask."""

    name: str | None = None
    colour: Colour | None = None
    hidden: bool = False
    locked: bool = False
    accepted: bool = False


class LiveReading:
    """An open session. Its methods are called by one thread at a time, under `lock`.

    Each change is an op, as in the journal; applying the ops of a journal in order gives the same masks, bit for bit.
    """

    def __init__(self, session: Session) -> None:
        self.lock = threading.RLock()
        self.session = session
        self.revision = 0
        self.mask = NumberedMask(session.study)
        self.table = LesionTable(session.study, self.mask)
        self._facts: dict[int, LesionFacts] = {}
        # By which rule an entry was made, for entries that were not drawn; by the identity of its prompt.
        self._rules: dict[int, tuple[Prompt, str]] = {}

    @property
    def study(self) -> Study:
        return self.session.study

    # What changes it

    def apply(self, op: Op, watch: Watch | None = None) -> None:
        """Make a change.

        Raises:
            InputError: it makes no sense; nothing has changed then.
            NotNowError: a lesion that it would change is locked; likewise.
        """
        before, lesions = len(self.session.entries), set(self.session.state.lesions)
        self._do(op, watch)
        if op["do"] in ("add", "redraw", "regions"):
            # A number that an undone lesion had is another lesion's now.
            for number in set(self.session.state.lesions) - lesions:
                self._facts.pop(number, None)
        if "rule" in op:
            for entry in self.session.entries[before:]:
                self._rules[id(entry.prompt)] = (entry.prompt, op["rule"])
        self.revision += 1

    def refresh(self) -> dict[str, Any] | None:
        """Bring mask and table up to date; the Update of what is new, None if the mask is as it was."""
        lesions = self.session.state.lesions
        changed = self.mask.show(lesions)
        self.table.update(list(lesions), changed)
        return None if changed is None else {**self.mask.packed(changed), "revision": self.revision, "reset": False}

    def _do(self, op: Op, watch: Watch | None) -> None:
        session, kind = self.session, op["do"]
        if kind == "add":
            (prompt,) = parse_prompts({**_RECORD, "prompts": [op["prompt"]]}, self.study.grid)
            lesion = op.get("lesion")
            settings = session.segmenter.settings.lesions
            about = concerned(self.study, session.state, prompt, settings) if lesion is None else (lesion,)
            self._require_unlocked(about)
            session.add(prompt, lesion)
        elif kind == "reject":
            self._require_unlocked([op["lesion"]])
            session.reject(op["lesion"])
        elif kind == "delete":
            session.delete(op["prompt"])
        elif kind == "undo":
            session.undo()
        elif kind == "redo":
            session.redo()
        elif kind == "first_answer":
            session.first_answer(op["tracer"], progress=watch)
        elif kind == "redraw":
            self._require_unlocked([op["lesion"]])
            session.redraw(op["lesion"], _voxels(op["runs"]))
        elif kind == "regions":
            session.paint_lesions([_voxels(runs) for runs in op["regions"]])
        elif kind == "facts":
            self._tell(op["lesion"], op["facts"])
        else:
            raise InputError(f"journal: unknown change {kind!r}; remove its line")

    def _tell(self, lesion: int, facts: dict[str, Any]) -> None:
        if facts.get("colour") is not None:
            facts = {**facts, "colour": tuple(facts["colour"])}
        self._facts[lesion] = replace(self._facts.get(lesion, LesionFacts()), **facts)

    def _require_unlocked(self, lesions: Sequence[int]) -> None:
        for lesion in lesions:
            if self._facts.get(lesion, LesionFacts()).locked and lesion in self.session.state.lesions:
                raise NotNowError(f"lesion {lesion} is locked; unlock it first")

    def lesion_at(self, point: Sequence[float]) -> int:
        """The lesion under a (continuous) voxel, else a number for a new one."""
        x, y, z = (round(value) for value in point)
        inside = self.study.grid.contains([(x, y, z)])[0]
        return (
            int(self.mask.labels[z, y, x]) if inside and self.mask.labels[z, y, x] else fresh_number(self.session.state)
        )

    def require_lesion(self, lesion: int) -> None:
        """Raise a NotThereError if there is no such lesion."""
        if lesion not in self.session.state.lesions:
            raise NotThereError(f"there is no lesion {lesion}")

    # Changes that are computed first

    def outline_op(self, lesion: int, rule: str) -> Op:
        """The op that gives a lesion the outline of a rule; of "next" that of the next one that finds something.

        Raises:
            InputError: unknown rule.
            NotNowError: the rule finds nothing, or nobody has pointed at the lesion.
        """
        self.require_lesion(lesion)
        if rule == "next":
            current = self.outline_of(lesion)
            at = RULES.index(current) + 1 if current in RULES else 1
            rules = [*RULES[at:], *RULES[:at]]
        elif rule in RULES:
            rules = [rule]
        else:
            raise InputError(f"outline: unknown rule {rule!r}; known are {', '.join(RULES)}, next")
        for chosen in rules:
            voxels = self.outline(lesion, chosen)[0]
            if len(voxels):
                return {"do": "redraw", "lesion": lesion, "rule": chosen, "runs": paint(voxels).runs}
        raise NotNowError("no rule finds anything there" if rule == "next" else f"the rule {rule} finds nothing there")

    def preselect_op(self, rule: str, suv: float | None, min_ml: float | None) -> Op:
        """The op that adds a lesion for each region that a rule finds.

        Raises:
            InputError: unknown rule.
            NotNowError: it finds no region, or more than there are numbers.
        """
        if rule not in PRESELECT:
            raise InputError(f"preselect: unknown rule {rule!r}; known are {', '.join(PRESELECT)}")
        chosen = PRESELECT[rule]
        level = chosen.suv(self.study) if suv is None else suv
        found = regions(self.study, level, chosen.min_ml if min_ml is None else min_ml, self.mask.labels > 0)
        if not found:
            raise NotNowError("no region that is not marked yet is as hot and as large as the rule asks")
        if len(found) > 1000:
            raise NotNowError(f"the rule finds {len(found)} regions; raise the SUV or the volume")
        return {"do": "regions", "rule": f"preselect {rule}", "regions": [paint(region).runs for region in found]}

    def outline(self, lesion: int, rule: str) -> tuple[Voxels, float | None]:
        """The voxels of a rule's outline of a lesion, and its level in SUV."""
        if rule == MODEL:
            return self._model_outline(lesion), None
        return outline(self.study, self._pointer(lesion), rule, self.mask.labels, lesion)

    def outlines(self, lesion: int) -> list[dict[str, Any]]:
        """Every rule with what it would give."""
        self.require_lesion(lesion)
        titles = {MODEL: MODEL, **{name: rule.title for name, rule in OUTLINES.items()}}
        current, rows = self.outline_of(lesion), []
        for rule in RULES:
            voxels, level = self.outline(lesion, rule)
            volume = len(voxels) * self.study.grid.voxel_ml
            suv = level if level is not None and np.isfinite(level) else None
            rows.append(
                {"rule": rule, "title": titles[rule], "suv": suv, "volume_ml": volume, "current": rule == current}
            )
        return rows

    def _pointer(self, lesion: int) -> Stroke:
        """The click or stroke that a lesion is about: the last that was drawn of it, else its hottest voxel."""
        for entry in self.session.entries[::-1]:
            prompt = entry.prompt
            if lesion in entry.lesions and prompt.label == "tumor" and not isinstance(prompt, Paint | Rejection):
                return Stroke.of(prompt)
        row = next((row for row in self.table.rows() if row["lesion"] == lesion), None)
        if row is None:
            raise NotNowError(f"lesion {lesion} has no voxel of its own")
        return Stroke("tumor", np.array([row["hottest"]], np.int64), "click")

    def _model_outline(self, lesion: int) -> Voxels:
        """The mask before any rule had drawn it."""
        state = self.session.state
        found = state.found.get(lesion)
        for entry, lesions in zip(state.entries, state.trail, strict=True):
            if lesion in entry.lesions and id(entry.prompt) not in self._rules:
                found = lesions.get(lesion)
        if found is None:
            return np.zeros((0, 3), np.int64)
        return self.study.order.stored(found.block.voxels())

    def outline_of(self, lesion: int) -> str:
        """By what a lesion's mask was made last: a rule, the model, or paint."""
        for entry in self.session.entries[::-1]:
            if lesion in entry.lesions:
                known = self._rules.get(id(entry.prompt))
                if known is not None:
                    return known[1]
                return "paint" if isinstance(entry.prompt, Paint) else MODEL
        return MODEL

    # What there is to see

    def change(self, update: dict[str, Any] | None, lesion: int | None = None) -> dict[str, Any]:
        """The Change that windows are sent."""
        undo, redo = self.session.steps
        return {
            "revision": self.revision,
            "update": update,
            "lesion": lesion,
            "can_undo": undo > 0,
            "can_redo": redo > 0,
            "first_answer": self.session.asked,
            "lesions": [self._row(row) for row in self.table.rows()],
            "totals": self.table.totals(),
        }

    def names(self) -> dict[int, str]:
        """The names that lesions were given."""
        return {number: facts.name for number, facts in self._facts.items() if facts.name}

    def prompts(self) -> list[dict[str, Any]]:
        return [_prompt_row(number, entry) for number, entry in enumerate(self.session.entries)]

    def acted_on(self) -> int | None:
        """The lesion that the last prompt acts on."""
        entries = self.session.entries
        return entries[-1].lesions[0] if entries and entries[-1].lesions else None

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        number = int(row["lesion"])
        facts = self._facts.get(number, LesionFacts())
        return {
            **row,
            "name": facts.name or lesion_name(number),
            "colour": list(facts.colour or lesion_colour(number)),
            "hidden": facts.hidden,
            "locked": facts.locked,
            "accepted": facts.accepted,
            "found": self._is_found(number),
            "outline": self.outline_of(number),
        }

    def _is_found(self, lesion: int) -> bool:
        """Whether no reader has pointed at a lesion, or painted it."""
        acting = [entry for entry in self.session.entries if lesion in entry.lesions and entry.prompt.label == "tumor"]
        return all(id(entry.prompt) in self._rules for entry in acting)

    def held_bytes(self) -> int:
        """About how much memory it takes: images, masks and what the model remembers."""
        study, state = self.study, self.session.state
        banks = {id(lesion.bank): lesion.bank for lesions in (state.found, *state.trail) for lesion in lesions.values()}
        tensors = sum(
            tensor.nbytes
            for bank in banks.values()
            for memory in bank.all().values()
            for tensor in (memory.logits, memory.tokens, memory.pointer)
        )
        images = study.pet.nbytes + (0 if study.ct is None else study.ct.nbytes) + self.mask.labels.nbytes
        return images + tensors + self.session.cached_bytes


def _prompt_row(number: int, entry: Entry) -> dict[str, Any]:
    prompt = entry.prompt
    voxels = prompt.runs[0][:3] if isinstance(prompt, Paint) else None
    drawn = [list(voxels)] if voxels is not None else record_of(prompt)["voxels"]
    kind = KINDS[type(prompt)]
    return {"number": number, "kind": kind, "label": prompt.label, "lesions": list(entry.lesions), "voxels": drawn}


def _voxels(runs: list[list[int]]) -> Voxels:
    return Paint(tuple((x, y, z, n) for x, y, z, n in runs)).voxels
