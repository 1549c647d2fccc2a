"""Blocks found again: calls of one name share a text, whose numbers become parameters or are told by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from archdsl.outline.call import REQUIRED
from archdsl.targets.arch_source_columns import Columns, Facts
from archdsl.targets.arch_source_draft import Instance
from archdsl.targets.arch_source_fold import RESERVED, fold
from archdsl.targets.arch_source_join import joined, merged
from archdsl.targets.arch_source_parts import Hole, Part, filled


@dataclass(slots=True)
class Parameter:
    """A parameter of a block, its default (`REQUIRED`: none), and its value in every call."""

    name: str
    default: Any
    values: tuple[Any, ...]


@dataclass(slots=True)
class BlockText:
    """A block as it will be written, and the calls that it stands for."""

    name: str
    parameters: list[Parameter]
    parts: list[Part]
    members: list[int]
    doc: str = ""


@dataclass(slots=True)
class _Form:
    """Calls of one text: the text with a column in every hole, and which calls they are."""

    parts: list[Part]
    members: list[int] = field(default_factory=list)


class Blocks:
    """The blocks of a net, inner ones first, found from the drafts of all calls."""

    def __init__(self, instances: Sequence[Instance], reserved: frozenset[str]) -> None:
        self.instances = instances
        self.taken = set(reserved) | RESERVED
        self.texts: list[BlockText] = []
        self.calls: dict[int, tuple[BlockText, int]] = {}
        names = frozenset(instance.name for instance in instances)
        self.reserved = frozenset(reserved) | names
        for rank in self._ranked():
            self._rank(rank)

    def _ranked(self) -> list[dict[str, list[int]]]:
        """Calls by the rank of their block: each above all that any call of it holds."""
        heights: dict[str, int] = {}
        holders: dict[str, set[str]] = {}
        for instance in self.instances:
            inner = {
                self.instances[part.instance].name
                for each in instance.parts
                for part in each.parts()
                if part.instance >= 0
            }
            holders.setdefault(instance.name, set()).update(inner)
        circular = not _heights(holders, heights)
        ranks: dict[int, dict[str, list[int]]] = {}
        for index, instance in enumerate(self.instances):
            height = instance.height if circular else heights[instance.name]
            ranks.setdefault(height, {}).setdefault(instance.name, []).append(index)
        return [ranks[height] for height in sorted(ranks)]

    def _rank(self, rank: dict[str, list[int]]) -> None:
        for name, members in rank.items():
            bodies = {index: [self._known(part) for part in self.instances[index].parts] for index in members}
            plain = _forms(bodies)
            folded = _forms({index: fold(parts, self.reserved) for index, parts in bodies.items()})
            for form in self._joined(folded if len(folded) < len(plain) else plain):
                self._write(name, form)

    def body(self, parts: list[Part]) -> list[Part]:
        """A body whose calls are of known blocks, its repetitions folded."""
        return fold([self._known(part) for part in parts], self.reserved)

    def _known(self, part: Part) -> Part:
        bodies = tuple([self._known(inner) for inner in body] for body in part.bodies)
        made = part.copy(part.holes, bodies, part.label)
        if part.instance >= 0:
            text, place = self.calls[part.instance]
            made.word = text.name
            made.holes = tuple(Hole(p.name, p.values[place], p.default) for p in text.parameters)
            made.instance = -1
        return made

    def _joined(self, forms: list[_Form]) -> list[_Form]:
        """Forms that differ by parts that some calls lack become one."""
        forms.sort(key=lambda form: -sum(1 for each in form.parts for _ in each.parts()))
        found: list[_Form] = []
        for form in forms:
            for host in found:
                parts = self._join(host, form)
                if parts is not None:
                    host.parts, host.members = parts, [*host.members, *form.members]
                    break
            else:
                found.append(form)
        return found

    def _join(self, host: _Form, form: _Form) -> list[Part] | None:
        """One text for both, if conditions tell the calls apart, or a single flag does."""
        for parts in joined(host.parts, form.parts, len(host.members), len(form.members)):
            columns = self._columns(_Form(parts, [*host.members, *form.members]))
            if columns.awkward == 0 or (columns.awkward == 1 and columns.partial == 0):
                return parts
        return None

    def _columns(self, form: _Form) -> Columns:
        facts = Facts([self.instances[index] for index in form.members])
        labels = {str(part.label) for each in form.parts for part in each.parts() if isinstance(part.label, str)}
        names = {
            name for each in form.parts for part in each.parts() for name in (*part.names, *part.variables) if name
        }
        for name in names:
            facts.arguments.pop(name, None)
        columns = Columns(facts, frozenset(labels | names) | self.reserved)
        columns.fill(form.parts)
        return columns

    def _write(self, name: str, form: _Form) -> None:
        columns = self._columns(form)
        values = iter(columns.found)
        parts = fold(
            [filled(part, values) for part in form.parts], self.reserved | {p.name for p in columns.parameters}
        )
        parameters = [Parameter(p.name, p.default, tuple(p.values)) for p in columns.ordered()]
        docs = {self.instances[index].doc for index in form.members}
        doc = docs.pop() if len(docs) == 1 and name not in self.taken else ""
        text = BlockText(self._free(name), parameters, parts, form.members, doc)
        self.texts.append(text)
        for place, index in enumerate(form.members):
            self.calls[index] = (text, place)

    def _free(self, name: str) -> str:
        base = name if name.isidentifier() and name.isascii() else "Part"
        found, number = base, 1
        while found in self.taken:
            number += 1
            found = f"{base}{number}"
        self.taken.add(found)
        return found


def _forms(bodies: dict[int, list[Part]]) -> list[_Form]:
    """Bodies of one text together."""
    forms: dict[Any, _Form] = {}
    for index, parts in bodies.items():
        key = tuple(part.key() for part in parts)
        form = forms.get(key)
        if form is None:
            forms[key] = _Form([_columns(part) for part in parts], [index])
        else:
            _append(form.parts, parts)
            form.members.append(index)
    return list(forms.values())


def _heights(holders: dict[str, set[str]], heights: dict[str, int]) -> bool:
    """Fills in the height of each block above those that it holds; false if one holds itself."""
    for _ in range(len(holders) + 1):
        changed = False
        for name, inner in holders.items():
            height = 1 + max((heights.get(each, 0) for each in inner), default=0)
            if heights.get(name) != height:
                heights[name], changed = height, True
        if not changed:
            return True
    return False


def _columns(part: Part) -> Part:
    """A part whose holes hold columns of one value."""
    return filled(part, iter([[value] for value in part.values()]))


def _append(form: list[Part], parts: list[Part]) -> None:
    for column, value in zip(
        (column for part in form for column in part.values()), (v for part in parts for v in part.values()), strict=True
    ):
        column.append(value)


__all__ = ["REQUIRED", "BlockText", "Blocks", "Parameter", "merged"]
