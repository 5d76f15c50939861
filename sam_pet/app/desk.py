"""The sessions of all readers: on disk always, in memory while they are used and there is room."""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sam_pet.app.events import EventHub
from sam_pet.app.journal import JOURNAL, Journal, Op, glance, read_journal, standing
from sam_pet.app.problems import AppError, NotNowError, NotThereError
from sam_pet.app.reading import LiveReading, Watch
from sam_pet.app.sources import OfferedStudy
from sam_pet.audit.actor import Actor
from sam_pet.errors import InputError, one_line
from sam_pet.files import write_json
from sam_pet.segmenter import Segmenter
from sam_pet.session.saved import fingerprint

logger = logging.getLogger(__name__)

_FACTS = "session.json"
Report = Callable[[str, float | None], None]


@dataclass(frozen=True)
class SessionCard:
    """What is known of a session without opening it."""

    id: str
    reader: str
    study: dict[str, Any]
    title: str
    created: str
    changed: str
    pet: str | None = None
    ct: str | None = None
    lesions: int = 0
    revision: int = 0
    model: str = ""
    fingerprint: str = ""
    problem: str | None = None

    @property
    def offered(self) -> OfferedStudy:
        return OfferedStudy.of(self.study)


class _Place:
    """Where a session is kept: its card, and its reading while it is open."""

    def __init__(self, card: SessionCard, folder: Path) -> None:
        self.card = card
        self.folder = folder
        self.lock = threading.RLock()
        self.reading: LiveReading | None = None
        self.journal: Journal | None = None
        self.bytes = 0
        self.touched = time.monotonic()
        self.gone = False


class SessionDesk:
    """Opens, changes, releases and lists sessions.

    Args:
        folder: one folder a session.
        segmenter: makes the masks.
        events: is told of every change.
        memory_bytes: what open sessions may hold together; the one that was touched last stays in any case.
    """

    def __init__(self, folder: Path, segmenter: Segmenter, events: EventHub, memory_bytes: int) -> None:
        self._folder = folder
        self._segmenter = segmenter
        self._events = events
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._places = {place.card.id: place for place in self._read()}

    # Which there are

    def cards(self, reader: str) -> list[SessionCard]:
        """A reader's sessions, the latest changed first."""
        with self._lock:
            cards = [place.card for place in self._places.values() if place.card.reader == reader]
        return sorted(cards, key=lambda card: card.changed, reverse=True)

    def card(self, reader: str, name: str) -> SessionCard:
        return self._place(reader, name).card

    def is_open(self, name: str) -> bool:
        place = self._places.get(name)
        return place is not None and place.reading is not None

    def create(self, reader: str, study: OfferedStudy, pet: str | None, ct: str | None) -> SessionCard:
        """A new session on a study; it is on disk, and not open yet.

        Raises:
            InputError: the study has no such series.
        """
        if study.source != "simulated":
            study.chosen(pet, "PT")
            study.chosen(ct, "CT")
        now = _now()
        card = SessionCard(secrets.token_hex(12), reader, study.facts(), study.title, now, now, pet, ct)
        place = _Place(card, self._folder / card.id)
        place.folder.mkdir(parents=True, mode=0o700)
        write_json(asdict(card), place.folder / _FACTS)
        with self._lock:
            self._places[card.id] = place
        return card

    def remove(self, reader: str, name: str) -> None:
        """Take a session off the disk."""
        place = self._place(reader, name)
        with place.lock:
            self._put_away(place)
            place.gone = True
            with self._lock:
                self._places.pop(name, None)
            shutil.rmtree(place.folder, ignore_errors=True)
        self._events.publish(reader, "gone", {"session": name}, name)

    # Work on one

    def open(self, reader: str, name: str, report: Report = lambda *_: None) -> None:
        """Have a session in memory: read its study, and do again what its journal says.

        Args:
            reader: whose it is.
            name: of the session.
            report: told how far it is; what it raises ends the work.

        Raises:
            NotThereError: no such session.
            NotNowError: it was made with another model, or on other images than the study has now.
            InputError: its study cannot be read.
        """
        self._opened(self._place(reader, name), report)
        self._make_room(name)

    def use(self, reader: str, name: str, work: Callable[[LiveReading], Any]) -> Any:
        """Do something with an open session that does not change it; it is opened if need be."""
        place = self._place(reader, name)
        with place.lock:
            found = work(self._opened(place))
        self._make_room(name)
        return found

    def study(self, reader: str, name: str) -> LiveReading:
        """The session, for what looks at its study alone and need not wait for changes under way."""
        place = self._place(reader, name)
        place.touched, reading = time.monotonic(), place.reading
        return self.use(reader, name, lambda found: found) if reading is None else reading

    def change(
        self, reader: str, name: str, make: Callable[[LiveReading], Op], watch: Watch | None = None
    ) -> dict[str, Any]:
        """Change a session: in memory, then on disk, then told to every window.

        Args:
            reader: whose it is.
            name: of the session.
            make: gives the op, under the session's lock.
            watch: told of the steps of a first answer.

        Returns:
            The Change.

        Raises:
            InputError, AppError: the op cannot be done; nothing has changed.
            OSError: it could not be written; nothing has changed.
        """
        place = self._place(reader, name)
        with place.lock:
            reading = self._opened(place)
            assert place.journal is not None
            op = make(reading)
            reading.apply(op, watch)
            try:
                update = reading.refresh()
                lesion = op.get("lesion") or (reading.acted_on() if op["do"] == "add" else None)
                change: dict[str, Any] = reading.change(update, lesion)
                # How many lesions there are is for the list of a server that has not opened the session.
                place.journal.append({**op, "count": len(change["lesions"])})
            except BaseException:
                # What is in memory was not acknowledged: the journal is right.
                self._put_away(place)
                raise
            place.card = replace(place.card, changed=_now(), revision=reading.revision, lesions=len(change["lesions"]))
            place.bytes, place.touched = reading.held_bytes(), time.monotonic()
            self._events.publish(reader, "change", {"session": name, **change}, name)
        self._make_room(name)
        return change

    def release(self, reader: str, name: str) -> None:
        """Take a session out of memory; everything is on disk already."""
        place = self._place(reader, name)
        with place.lock:
            self._put_away(place)

    def release_idle(self, seconds: float) -> int:
        """Release sessions that were not touched for so long; how many there were."""
        released = 0
        for place in self._open_places():
            if time.monotonic() - place.touched > seconds and place.lock.acquire(blocking=False):
                try:
                    self._put_away(place)
                    released += 1
                finally:
                    place.lock.release()
        return released

    def close(self) -> None:
        for place in self._open_places():
            with place.lock:
                self._put_away(place)

    @property
    def held_bytes(self) -> int:
        """About what the open sessions hold."""
        return sum(place.bytes for place in self._open_places())

    # Within

    def _place(self, reader: str, name: str) -> _Place:
        with self._lock:
            place = self._places.get(name)
        if place is None or place.card.reader != reader:
            raise NotThereError("there is no such session")
        return place

    def _open_places(self) -> list[_Place]:
        with self._lock:
            return [place for place in self._places.values() if place.reading is not None]

    def _opened(self, place: _Place, report: Report = lambda *_: None) -> LiveReading:
        with place.lock:
            if place.gone:
                raise NotThereError("there is no such session")
            place.touched = time.monotonic()
            if place.reading is not None:
                return place.reading
            try:
                reading = self._restored(place, report)
            except (InputError, AppError) as error:
                sentence = error.sentence if isinstance(error, AppError) else one_line(error)
                place.card = replace(place.card, problem=sentence)
                raise
            place.reading, place.journal = reading, Journal(place.folder / JOURNAL)
            place.bytes = reading.held_bytes()
            place.card = replace(
                place.card, problem=None, revision=reading.revision, lesions=len(reading.session.state.lesions)
            )
            self._save(place)
            return reading

    def _restored(self, place: _Place, report: Report) -> LiveReading:
        card = place.card
        ops = read_journal(place.folder / JOURNAL)
        report("reading the study", None)
        study = card.offered.read(card.pet, card.ct)
        image = fingerprint(study)["voxels_sha256"]
        if ops and card.fingerprint not in ("", image):
            raise NotNowError("the images of this session's study have changed; put the earlier ones back")
        if ops and card.model not in ("", self._segmenter.sha256):
            raise NotNowError("this session was made with another model; start the server with that one")
        place.card = replace(card, fingerprint=image, model=self._segmenter.sha256)
        session = self._segmenter.open(study)
        session.history.actor = Actor("person", card.reader)
        reading = LiveReading(session)
        done, later = standing(ops)
        for number, op in enumerate(done):
            report("doing again what was drawn", number / len(done))
            reading.apply(op)
        for _ in range(later):
            reading.apply({"do": "undo"})
        reading.revision = len(ops)
        reading.refresh()
        return reading

    def _put_away(self, place: _Place) -> None:
        if place.journal is not None:
            place.journal.close()
        place.reading, place.journal, place.bytes = None, None, 0
        if not place.gone:
            self._save(place)

    def _save(self, place: _Place) -> None:
        write_json(asdict(place.card), place.folder / _FACTS)

    def _make_room(self, kept: str) -> None:
        """Release what was touched longest ago until the rest fits; what is busy stays."""
        places = sorted(self._open_places(), key=lambda place: place.touched)
        held = sum(place.bytes for place in places)
        for place in places:
            if held <= self._memory_bytes:
                return
            if place.card.id == kept or not place.lock.acquire(blocking=False):
                continue
            try:
                held -= place.bytes
                self._put_away(place)
            finally:
                place.lock.release()

    def _read(self) -> list[_Place]:
        places = []
        for facts in sorted(self._folder.glob(f"*/{_FACTS}")):
            try:
                card = SessionCard(**json.loads(facts.read_text("utf-8")))
                journal = facts.parent / JOURNAL
                if journal.exists():
                    changed = datetime.fromtimestamp(journal.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
                    revision, last = glance(journal)
                    lesions = int(last.get("count", card.lesions))
                    card = replace(card, changed=max(card.changed, changed), revision=revision, lesions=lesions)
            except (OSError, ValueError, TypeError, AppError):
                logger.warning("a session in %s cannot be read; it is left as it is", facts.parent)
                continue
            places.append(_Place(card, facts.parent))
        return places


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
