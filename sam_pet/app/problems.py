"""What a caller can be told: a status and one sentence."""

from __future__ import annotations


class AppError(Exception):
    """Ends a request with a status and a sentence."""

    status = 400

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotThereError(AppError):
    """There is no such thing, or it is another reader's."""

    status = 404


class NotNowError(AppError):
    """It cannot be done as things stand."""

    status = 409


class TooLargeError(AppError):
    """It is more than the server takes."""

    status = 413


class UnusableError(AppError):
    """The values make no sense."""

    status = 422
