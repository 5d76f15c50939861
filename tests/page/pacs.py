"""What a test asks a PACS."""

from __future__ import annotations

from typing import Any

import httpx


class Pacs:
    """A running Orthanc."""

    def __init__(self, url: str, dicomweb: str) -> None:
        self.url = url
        self.dicomweb = dicomweb

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}", timeout=60).raise_for_status().json()

    def modalities(self) -> list[str]:
        """Of every series there is."""
        return sorted(series["MainDicomTags"]["Modality"] for series in self.get("/series?expand"))
