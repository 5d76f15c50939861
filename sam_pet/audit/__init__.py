"""The audit trail: who did what to a run, when, and what came of it, as a log whose lines are chained by hashes."""

from sam_pet.audit.actor import CALLER, PERSON, PROGRAM, Actor
from sam_pet.audit.environment import environment
from sam_pet.audit.log import LOG, AuditLog, mask_sha256
from sam_pet.audit.seal import begin, seal

__all__ = ["CALLER", "LOG", "PERSON", "PROGRAM", "Actor", "AuditLog", "begin", "environment", "mask_sha256", "seal"]
