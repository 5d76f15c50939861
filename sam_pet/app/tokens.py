"""Who may call: one token a reader, drawn anew at each start."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable


class ReaderTokens:
    """The tokens of readers by name."""

    def __init__(self, readers: Iterable[str]) -> None:
        self._tokens = {reader: secrets.token_urlsafe(32) for reader in readers}

    def of(self, reader: str) -> str:
        return self._tokens[reader]

    @property
    def readers(self) -> list[str]:
        return list(self._tokens)

    def reader(self, token: str | None) -> str | None:
        """Whose token this is, None of nobody; takes as long whatever it is."""
        given = (token or "").encode()
        found = None
        for reader, known in self._tokens.items():
            if hmac.compare_digest(known.encode(), given):
                found = reader
        return found
