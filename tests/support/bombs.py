"""Hostile specs from seeds: constructs of the grammar in one another, at sizes that grow; and a child process that
tells what one of them costs."""

from __future__ import annotations

import json
import os
import random
import resource
from collections.abc import Callable
from dataclasses import dataclass

SIZES = (0, 1, 2, 3, 7, 30, 63, 64, 65, 100, 300, 1000, 5000, 20_000, 50_000, 100_000, 10**6, 10**9, 2**31, 10**17)
SMALL = (0, 1, 2, 3, 5, 8, 20, 60)
SECONDS = 2.0  # of processor time
MEMORY = 512 << 20  # bytes beside those of the parent


class Maker:
    """Writes one spec: statements and expressions that nest, with names that exist and names that do not."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names: list[str] = []
        self.kinds: dict[str, str] = {"_x": "layer", "_y": "layer"}
        self.blocks: list[str] = []
        self.count = 0

    def pick(self, *items: str) -> str:
        return self.random.choice(items)

    def size(self) -> int:
        """A number, small ones most often."""
        return self.random.choice(SMALL if self.random.random() < 0.5 else SIZES)

    def name(self) -> str:
        self.count += 1
        return f"_v{self.count}"

    def bind(self, kind: str) -> str:
        """A new name of a kind, known from here on."""
        one = self.name()
        self.names.append(one)
        self.kinds[one] = kind
        return one

    def known(self, kind: str = "") -> str:
        """A name of a kind, or something else of it; seldom of another kind."""
        if self.random.random() < 0.01:
            return self.pick("nothing", "_v1", "relu", "conv", *self.names[-3:])
        fits = [name for name in self.names[-12:] if kind in ("", self.kinds.get(name))]
        if fits and self.random.random() < 0.8:
            return self.random.choice(fits)
        plain = {
            "list": f"range({self.size()})",
            "value": "here",
            "text": '"ab"',
            "layer": "relu",
            "shared": "relu",
            "values": "[1]",
        }
        return plain.get(kind, str(self.size()))

    def number(self, depth: int = 2) -> str:
        """Something that is a whole number, most often."""
        if depth == 0:
            return self.known("number")
        operator = self.pick("+", "*", "//", "%", "-", "**")
        return self.pick(
            str(self.size()), self.known("number"), self.known("number"), f"len({self.listing(depth - 1)})",
            f"sum({self.listing(depth - 1)})", f"({self.number(depth - 1)} {operator} {self.number(depth - 1)})",
            "here.c", f"max({self.number(depth - 1)}, 1)", f"({self.number(depth - 1)} if {self.truth(0)} else 1)",
        )  # fmt: skip

    def truth(self, depth: int = 2) -> str:
        """Something that is true or false, most often."""
        side = self.number if self.random.random() < 0.5 else self.listing
        one, other = side(depth), side(depth)
        return self.pick("true", f"{one} == {other}", f"{one} != {other}", f"not ({one} == {other})")

    def listing(self, depth: int = 2) -> str:
        """Something that is a list, most often."""
        if depth == 0:
            return self.known("list")
        inner = lambda: self.listing(depth - 1)  # noqa: E731
        one = self.name()
        self.kinds[one] = "number"
        item = self.pick(one, inner(), self.number(depth - 1), '"{' + one + '}"', f"[{one}, {one}]", self.known("list"))
        return self.pick(
            f"range({self.size()})", self.known("list"), f"[{inner()}, {inner()}]", f"({inner()} + {inner()})",
            f"zip({(both := inner())}, {both})", f"reversed({inner()})", f"{inner()}[1:]", f"{inner()}[:{self.size()}]",
            f"[{item} for {one} in {inner()}]", f"[{item} for {one} in {inner()} for _{one} in {inner()}]",
            f"[{item} for {one} in {inner()} if {self.truth(0)}]", f"[{self.known()}, {self.known()}]",
            f"[{self.number(depth - 1)}]", f"[{self.known('layer')}, {self.known('layer')}]", self.known("values"),
        )  # fmt: skip

    # ------------------------------------------------------------ expressions

    def expression(self, depth: int = 3) -> str:
        if depth == 0:
            return self.pick(str(self.size()), self.known(), "1.5", "true", "none", '"ab"', "relu", "2x3")
        inner = lambda: self.expression(depth - 1)  # noqa: E731
        form = self.random.randrange(20)
        one = self.name()
        match form:
            case 0:
                return "[" + ", ".join(inner() for _ in range(self.random.choice((1, 2, 5)))) + "]"
            case 1 | 2:
                return f"[{self.pick(one, inner())} for {one} in range({self.size()})]"
            case 3:
                return f"[{inner()} for _{one} in range({self.size()}) for _{one}b in {inner()}]"
            case 4:
                return f"range({self.size()})"
            case 5:
                return f"zip({self.known()}, {self.known()})"
            case 6:
                return f"({inner()} + {inner()})"
            case 7:
                return f"({inner()} {self.pick('*', '**', '-', '//', '%', '/')} {inner()})"
            case 8:
                return f"({inner()} {self.pick('==', '!=', '<')} {inner()})"
            case 9:
                return '"' + "".join(f"{{{self.known()}}}" for _ in range(self.random.choice((1, 2, 10, 40)))) + '"'
            case 10:
                return '"' + self.pick("a", "a.", "a" * 60, "ab.cd.") * self.random.choice((1, 5, 60, 400)) + '"'
            case 11:
                return f"{self.pick('len', 'sum', 'max', 'reversed')}({inner()})"
            case 12:
                return f"{self.known()}[{self.pick(inner(), ':', '1:', str(self.size()))}]"
            case 13:
                return f"({inner()} if {inner()} else {inner()})"
            case 14 | 15:
                return f"{self.known()}({self.pick('_x=', '_y=', '')}{inner()})"
            case 16 if self.blocks:
                return f"{self.random.choice(self.blocks)}(_x={inner()}, _y={self.known()})"
            case 17:
                return self.pick("(", "-(", "not (") * 1 + inner() + ")"
            case 18:
                return f"[{self.known()}, {self.known()}]"
            case _:
                return self.known()

    # ------------------------------------------------------------- statements

    def label(self) -> str:
        index = self.known(self.pick("number", "number", "text"))
        index = index.strip('"')
        return self.pick("", "", "", f"l{self.count}: ", f'"l{{{index}}}": ', f'"{{{index}}}.{{{index}}}.a": ')

    def layer_value(self) -> str:
        """A layer as a value, with values bound to it."""
        inner = self.pick(self.known("layer"), self.listing(1), self.text(), self.number(1))
        name = self.pick("relu", "linear", *self.blocks[-4:])
        return f"{name}(_x={inner}, _y={self.known('layer')})" if name in self.blocks else name

    def text(self) -> str:
        """A string, perhaps of other ones."""
        parts = "".join(
            f"{{{self.known(self.pick('text', 'number'))}}}" for _ in range(self.random.choice((1, 2, 10, 40)))
        )
        plain = self.pick("a", "a.", "a" * 60, "ab.cd.") * self.random.choice((1, 5, 60, 400))
        return self.pick(f'"{parts}"', f'"{parts}"', f'"{plain}x"').replace('"ab"', "1")

    def layer(self, depth: int) -> str:
        size = self.size() if self.random.random() < 0.1 else self.random.choice((1, 2, 8, 60))
        some = self.number(1) if self.random.random() < 0.1 else str(size)
        return self.pick(
            "relu", "gelu", "batchnorm", "identity", "dropout(0.1)", f"linear({some})", f"linear({size})",
            f"conv({some}, 3x3)", "conv(4, 1x1)", f"split({some}) -> concat", "flatten -> linear(4)", "relu",
            f'rearrange("{self.pick("c h w -> c h w", "(a b) -> a b", "a " * 50)}")', "relu", "relu", "relu",
            f"linear({size}, init=normal({self.number(1)}))", f"{self.known('layer')}", f"{self.known('shared')}",
            *self.blocks[-3:], *(f"{block}(_x={self.expression(depth)})" for block in self.blocks[-2:]),
        )  # fmt: skip

    def statement(self, depth: int) -> str:
        if depth == 0:
            return self.label() + self.layer(1)
        form = self.random.randrange(22)
        body = lambda: self.body(depth - 1)  # noqa: E731
        match form:
            case 0 | 1 | 2:
                count = self.number(2)
                return f"repeat {count} as {self.bind('number')} {{ {body()} }}"
            case 3 | 4:
                items = self.listing(3)
                return f"for {self.bind(self.pick('number', 'list'))} in {items} {{ {body()} }}"
            case 5:
                return f"if {self.truth()} {{ {body()} }} else {{ {body()} }}"
            case 6 | 7:
                return f"branches {self.pick('add', 'concat', 'mul', 'stack')} {{ {body()}\n{body()} }}"
            case 8 | 9:
                return f"residual {{ {body()} }}"
            case 10:
                return f"{self.label().rstrip(': ') or 'stage'} {{ {body()} }}"
            case 11:
                value = self.listing(3)
                return f"let {self.bind('list')} = {value}"
            case 12:
                kind = self.pick("number", "layer", "text")
                value = {"number": self.number, "layer": self.layer_value, "text": self.text}[kind]()
                return f"let {self.bind(kind)} = {value}"
            case 13:
                return f"{self.layer(1)} as {self.bind('value')}"
            case 14:
                count = self.number(1)
                several = f"[{self.known('value')} for _i in range({count})]"
                read = self.pick(
                    self.known("value"), several, several, f"[{self.known('value')}, {self.known('value')}]"
                )
                return f"from {read} -> {self.pick('add', 'concat', 'relu', 'mul')}"
            case 15:
                figure = self.pick("params", "macs", "depth", "l1.params", self.number(1))
                return f"require {figure} >= {self.pick('0', '0', '-1', self.number(1))}"
            case 16:
                layer = self.pick("relu", "linear(16)", "conv(3, 3x3)", self.layer_value())
                return f"shared {self.bind('shared')}: {layer}"
            case 17:
                return f"param {self.bind('value')}: zeros([{self.number(1)}, {self.number(1)}])"
            case 18:
                return f"aux {self.layer(1)}"
            case 19:
                return f"branches {{ {body()}\n{body()} }}\nadd"
            case 20:
                return f"{self.pick('stem', 'stage', 'head')} {{ {body()} }}"
            case _:
                return " -> ".join(self.layer(1) for _ in range(self.random.choice((1, 2, 3, 40))))

    def body(self, depth: int) -> str:
        kept = len(self.names)
        times = self.random.choice((1, 1, 2, 3))
        text = "\n".join(self.statement(depth) for _ in range(times))
        if self.random.random() < 0.02:
            text = "\n".join([text] * self.random.choice((10, 60)))
        del self.names[kept:]
        return text

    # ------------------------------------------------------------ declarations

    def chain(self) -> str:
        """Declarations each of which takes the one before it, several times over."""
        count, one = self.random.choice((5, 20, 60, 300, 1500)), self.name()
        step = self.random.choice(
            (
                "[{0}, {0}]", "[{0}]", "{0} + {0}", "zip({0}, {0})", '"{{{0}}}{{{0}}}"', "{0} + 1", "{0}(_x={0})",
                "B(_x={0}, _y={0})", "[_i for _i in {0} for _j in {0}]", "{0} if true else {0}", "reversed({0})",
            )
        )  # fmt: skip
        start = "B" if "(_x" in step else self.pick("[1, 1]", '"ab"', "1", "range(1000)")
        lines = [f"let {one}0 = {start}"] + [f"let {one}{i + 1} = {step.format(f'{one}{i}')}" for i in range(count)]
        if self.random.random() < 0.4:
            lines.reverse()
        self.names.append(f"{one}{count}")
        kinds = {"[": "list", "z": "list", "r": "list", '"': "text"}
        kind = "layer" if "(_x" in step else "list" if start[0] in "[r" else kinds.get(step[0], "number")
        self.kinds[f"{one}{count}"] = "text" if start == '"ab"' and kind == "number" else kind
        return "\n".join(lines)

    def declaration(self) -> str:
        form = self.random.randrange(8)
        name = f"B{len(self.blocks)}"
        match form:
            case 0 | 1:
                return self.chain()
            case 2:
                value = self.listing(4)
                return f"let {self.bind('list')} = {value}"
            case 3 if self.blocks:
                text = f"block {name} = {self.random.choice(self.blocks)}(_x={self.expression(2)})"
                self.blocks.append(name)
                return text
            case 4:
                inside, count = (
                    self.pick("relu", "residual {{ {0} }}", "{0} -> {0}", "{0}(_x={0})"),
                    self.random.choice((12, 50, 70)),
                )
                one = f"C{self.name()}_"
                lines = [f"block {one}0(_x=none) {{ relu }}"]
                lines += [f"block {one}{i + 1}(_x=none) {{ {inside.format(f'{one}{i}')} }}" for i in range(count)]
                self.blocks += [f"{one}{i}" for i in (0, 3, 10, count)]
                return "\n".join(lines)
            case 5:
                return f"arch a{self.count}(_n={self.size()}) {{ input {self.shape()}\n{self.body(2)}\nrelu }}"
            case _:
                kept = list(self.names)
                self.names += ["_x", "_y"]
                text = f"block {name}(_x={self.expression(1)}, _y=none) {{ {self.body(3)} }}"
                self.names = kept
                self.blocks.append(name)
                return text

    def shape(self) -> str:
        return self.pick("[16]", "3x8x8", "4x16", "2x4x4x4", f"{self.size() + 1}x{self.size() + 1}", f"[{self.size()}]")

    def spec(self) -> str:
        """A whole file."""
        lines = ["block B(_x=none, _y=none) { if _x == _y { relu } }"]
        self.blocks.append("B")
        lines += [self.declaration() for _ in range(self.random.choice((0, 1, 2, 4)))]
        body = "\n".join(self.statement(self.random.choice((1, 2, 3, 6))) for _ in range(self.random.choice((1, 2, 5))))
        return "\n".join([*lines, f"arch net() {{ input {self.shape()}", body, "relu }", ""])


def bomb(seed: int) -> str:
    """The hostile spec of a seed."""
    return Maker(seed).spec()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work took: how it ended, seconds of processor time, and bytes beside those of its parent."""

    end: str
    seconds: float
    memory: int

    def held(self, seconds: float) -> bool:
        """True if it ended as it should, within the time and the memory that are promised."""
        return self.end in ("sound", "told") and self.seconds <= seconds and self.memory <= MEMORY


def cost(work: Callable[[], str], allowed: float = 10 * SECONDS) -> Cost:
    """The cost of some work in a child of this process, which limits stop where it goes on and on."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _measured(work, writing, allowed)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return Cost(*json.loads(told)) if told else Cost("killed", allowed, 0)


def _measured(work: Callable[[], str], writing: int, allowed: float) -> None:
    """In the child: writes what the work took, and ends."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(before.ru_utime + before.ru_stime + allowed) + 1,) * 2)
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    try:
        end = work()
    except BaseException as error:
        end = f"{type(error).__name__}: {error}"[:200]
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    os.write(writing, json.dumps([end, seconds, (after.ru_maxrss - before.ru_maxrss) << 10]).encode())
    os._exit(0)
