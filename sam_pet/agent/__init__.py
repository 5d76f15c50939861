"""Agents that segment: what they see and may do, a rule and a language model that do it, and how they are measured."""
