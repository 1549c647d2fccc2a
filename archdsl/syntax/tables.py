"""The parse table of the language, as the machine reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rule:
    """A production: what it makes, the action that makes it, and what becomes of each symbol's value."""

    origin: str
    action: str
    length: int
    kept: tuple[int, ...]
    spliced: frozenset[int]
    grows: bool  # it adds to the list that its first symbol made


@dataclass(frozen=True, slots=True)
class Tables:
    """States: an action is the next state, or `-1 - rule`; a goto is the state after what a rule made."""

    rules: tuple[Rule, ...]
    actions: tuple[dict[str, int], ...]
    gotos: tuple[dict[str, int], ...]
    forced: tuple[int | None, ...]  # the reduction of a state that has no other action, so that it needs no next token
    starts: dict[str, int]
    ends: dict[str, int]


@cache
def tables() -> Tables:
    """The table that generate.py wrote."""
    data = json.loads(Path(__file__).with_name("grammar.json").read_text(encoding="utf-8"))
    rules = tuple(_rule(*row) for row in data["rules"])
    forced = tuple(_forced(row) for row in data["actions"])
    return Tables(rules, tuple(data["actions"]), tuple(data["gotos"]), forced, data["starts"], data["ends"])


def _forced(row: dict[str, int]) -> int | None:
    codes = set(row.values())
    code = min(codes) if len(codes) == 1 else 0
    return code if code < 0 else None


def _rule(origin: str, action: str, codes: str) -> Rule:
    kept = tuple(index for index, code in enumerate(codes) if code != "0")
    spliced = frozenset(index for index, code in enumerate(codes) if code == "2")
    return Rule(origin, action, len(codes), kept, spliced, action == "splice" and 0 in spliced)
