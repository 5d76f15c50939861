"""A PACS over DICOMweb: list its studies, fetch one, store results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom import Dataset, dcmread

from sam_pet.app.problems import AppError, NotThereError, TooLargeError
from sam_pet.errors import InputError

# Holds USER:PASSWORD, so that neither stands in the list of processes.
CREDENTIALS = "SAM_PET_DICOMWEB_AUTH"
_WANTED = ("PT", "CT")
_FIELDS = ("StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances")
_CHUNK = 1 << 20
_TIMEOUT_S = (10.0, 120.0)
Report = Callable[[str, float | None], None]


class PacsError(AppError):
    """The PACS does not answer as it should."""

    status = 502


class Pacs:
    """One DICOMweb server.

    Args:
        url: of its DICOMweb root; user and password are taken from the environment variable SAM_PET_DICOMWEB_AUTH.

    Raises:
        InputError: no http or https address.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"--dicomweb: {url} is not an http or https address; give one")
        session = requests.Session()
        user, colon, password = os.environ.get(CREDENTIALS, "").partition(":")
        if colon:
            session.auth = (user, password)
        self._client = DICOMwebClient(url.rstrip("/"), session=session, chunk_size=_CHUNK, timeout=_TIMEOUT_S)
        # A reader who waits wants to be told.
        self._client.set_http_retry_params(retry=False)

    def studies(self, filters: Mapping[str, str], limit: int, offset: int) -> list[dict[str, Any]]:
        """Studies that match (QIDO), keywords and values as DICOM has them."""
        with _answering():
            found = self._client.search_for_studies(
                limit=limit, offset=offset, fields=_FIELDS, search_filters={k: v for k, v in filters.items() if v}
            )
        return [_study(Dataset.from_json(item)) for item in found]

    def fetch(self, uid: str, folder: Path, report: Report, most_bytes: int) -> None:
        """Write the PET and CT slices of a study to a folder (WADO), one file each under names of our own.

        Raises:
            NotThereError: no such study, or no PET in it.
            TooLargeError: it holds more than so many bytes.
            PacsError: the PACS does not answer.
        """
        report("asking for the series", None)
        with _answering():
            series = [Dataset.from_json(item) for item in self._client.search_for_series(uid)]
        wanted = [item for item in series if item.get("Modality") in _WANTED]
        if not any(item.Modality == "PT" for item in wanted):
            raise NotThereError("the PACS has no study of this UID with a PET")
        counts = [int(item.get("NumberOfSeriesRelatedInstances") or 0) for item in wanted]
        expected, done, taken = sum(counts), 0, 0
        for item in wanted:
            with _answering():
                for dataset in self._client.iter_series(uid, str(item.SeriesInstanceUID)):
                    path = folder / f"{done:06d}.dcm"
                    dataset.save_as(path, enforce_file_format=True)
                    done, taken = done + 1, taken + path.stat().st_size
                    if taken > most_bytes:
                        raise TooLargeError(f"the study holds more than {most_bytes >> 20} MB")
                    report("fetching", done / expected if expected else None)

    def store(self, paths: Sequence[Path], report: Report) -> list[str]:
        """Store DICOM files (STOW); their SOP instance UIDs.

        Raises:
            PacsError: the PACS does not take one.
        """
        uids = []
        for number, path in enumerate(paths):
            report("storing", number / len(paths))
            dataset = dcmread(path)
            with _answering():
                answer = self._client.store_instances([dataset], str(dataset.StudyInstanceUID))
            if getattr(answer, "FailedSOPSequence", None):
                raise PacsError("the PACS does not take the objects; its log says why")
            uids.append(str(dataset.SOPInstanceUID))
        return uids


def _study(found: Dataset) -> dict[str, Any]:
    modalities = found.get("ModalitiesInStudy") or []
    return {
        "uid": str(found.get("StudyInstanceUID", "")),
        "patient": str(found.get("PatientName") or ""),
        "patient_id": str(found.get("PatientID") or ""),
        "date": str(found.get("StudyDate") or ""),
        "description": str(found.get("StudyDescription") or ""),
        "modalities": [modalities] if isinstance(modalities, str) else list(modalities),
        "images": int(found.get("NumberOfStudyRelatedInstances") or 0),
    }


@contextmanager
def _answering() -> Iterator[None]:
    """Faults of the connection as one sentence; what they say may hold values."""
    try:
        yield
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else "?"
        raise PacsError(f"the PACS answers with status {status}; check its address and the credentials") from error
    except requests.RequestException as error:
        raise PacsError(f"the PACS does not answer ({type(error).__name__}); check its address") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PacsError(f"the PACS answers with what is no DICOMweb ({type(error).__name__})") from error
