"""Policies by name."""

from __future__ import annotations

from sam_pet.agent.policy import Policy
from sam_pet.errors import InputError

PREFIX = "agent:"
POLICIES = ("agent:rule", "agent:llm:MODEL")


def make_policy(name: str) -> Policy:
    """A new policy for one episode, by a name in `POLICIES`.

    Raises:
        InputError: unknown name, or what it needs is not set.
    """
    kind, _, choice = name.removeprefix(PREFIX).partition(":")
    if name == "agent:rule":
        from sam_pet.agent.rule import RulePolicy

        return RulePolicy()
    if name.startswith(PREFIX) and kind == "llm":
        from sam_pet.agent.llm import LlmPolicy

        return LlmPolicy.of_environment(choice)
    raise InputError(f"unknown agent {name!r}; known are {', '.join(POLICIES)}")
