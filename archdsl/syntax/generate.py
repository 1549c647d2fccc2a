"""Makes grammar.json, the parse table that parser.py runs, from grammar.lark: `python -m archdsl.syntax.generate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GRAMMAR = Path(__file__).with_name("grammar.lark")
TABLE = Path(__file__).with_name("grammar.json")
STARTS = ["start", "expr"]
DROP, KEEP, SPLICE = "0", "1", "2"  # what a rule does with the value of each of its symbols


def table() -> str:
    """The parse table of grammar.lark as JSON text, the same for the same grammar."""
    from lark import Lark

    lark = Lark(GRAMMAR.read_text(encoding="utf-8"), parser="lalr", lexer="contextual", start=STARTS)
    return _text(lark)


def _text(lark: Any) -> str:
    analysed = lark.parser.parser._parse_table
    kinds = {terminal.name: _kind(terminal) for terminal in lark.terminals} | {"$END": "END"}
    order = _order(analysed)
    states = {state: number for number, state in enumerate(order)}
    used = {target for row in analysed.states.values() for action, target in row.values() if not _is_state(target)}
    rules = sorted(used, key=_sort_key)
    numbers = {rule: -1 - number for number, rule in enumerate(rules)}
    actions, gotos = [], []
    for state in order:
        row = {
            symbol: states[goal] if _is_state(goal) else numbers[goal]
            for symbol, (_, goal) in analysed.states[state].items()
        }
        actions.append(dict(sorted((kinds[symbol], goal) for symbol, goal in row.items() if symbol in kinds)))
        gotos.append(dict(sorted((symbol, goal) for symbol, goal in row.items() if symbol not in kinds)))
    lines = [f'"rules": [\n{_rows([_rule(rule) for rule in rules])}]', f'"actions": [\n{_rows(actions)}]']
    lines += [f'"gotos": [\n{_rows(gotos)}]']
    lines += [
        f'"{name}": ' + json.dumps({key: states[known[key]] for key in STARTS})
        for name, known in (("starts", analysed.start_states), ("ends", analysed.end_states))
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _order(analysed: Any) -> list[int]:
    """The states as a walk from the starts meets them, so that equal grammars make equal files."""
    order = [analysed.start_states[start] for start in STARTS]
    for state in order:
        goals = [
            goal for _, (_, goal) in sorted(analysed.states[state].items(), key=lambda item: item[0]) if _is_state(goal)
        ]
        order += [goal for goal in dict.fromkeys(goals) if goal not in order]
    return order


def _is_state(goal: Any) -> bool:
    return isinstance(goal, int)


def _sort_key(rule: Any) -> tuple[str, int, str]:
    return rule.origin.name, rule.order, " ".join(symbol.name for symbol in rule.expansion)


def _rows(rows: list[Any]) -> str:
    return ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)


def _kind(terminal: Any) -> str:
    """What the lexer calls a terminal: a fixed word or mark is its own kind."""
    fixed = terminal.pattern.type == "str"
    return str(terminal.pattern.value if fixed else terminal.name.lstrip("_"))


def _rule(rule: Any) -> list[Any]:
    """Origin, action (`splice`: a list for the rule above; `pass`: the only value), what becomes of each symbol."""
    origin = rule.origin.name
    action = rule.alias or ("splice" if origin.startswith("_") else "pass" if rule.options.expand1 else origin)
    codes = [
        (DROP if symbol.filter_out and not rule.options.keep_all_tokens else KEEP)
        if symbol.is_term
        else (SPLICE if symbol.name.startswith("_") else KEEP)
        for symbol in rule.expansion
    ]
    return [origin, action, "".join(codes)]


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
