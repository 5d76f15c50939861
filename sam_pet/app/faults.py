"""Faults of the server: logged by kind and place, since the text of an error may name a patient."""

from __future__ import annotations

import logging
import traceback

logger = logging.getLogger(__name__)


def log_fault(error: Exception) -> str:
    """Log an error that nobody expected, and give the sentence that a caller is told."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    logger.error("%s at %s", type(error).__name__, where)
    return f"the server has a fault ({type(error).__name__}); what was acknowledged is kept"
