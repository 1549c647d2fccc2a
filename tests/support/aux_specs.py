"""Random specs with side heads in any place: in labelled levels, blocks, branches, loops, residuals and heads."""

from __future__ import annotations

from random import Random


class _Writer:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.count = 0
        self.blocks: list[str] = []

    def name(self, base: str) -> str:
        self.count += 1
        return f"{base}{self.count}"

    def chain(self) -> str:
        """Layers that keep the shape 3x8x8."""
        kinds = ("conv(3, 3x3)", "conv(3, 1x1) -> batchnorm", "relu", "sigmoid", "{label}: conv(3, 3x3)")
        picked = [self.random.choice(kinds) for _ in range(self.random.randint(1, 3))]
        return " -> ".join(item.format(label=self.name("c")) for item in picked)

    def head(self) -> str:
        """A side head, on the current value or on a named one, bare or with a level of its own."""
        read = self.random.choice(("", "", " from here"))
        form = self.random.choice(
            (
                "gap -> flatten -> {label}: linear(2)",
                "{label} {{ gap -> flatten -> fc: linear(2) }}",
                "{label} {{ conv(3, 1x1) -> relu\n gap -> flatten -> linear(2) }}",
                "{label}: conv(2, 1x1)",
                "{label} {{ {inner}\n gap -> flatten -> linear(2) }}",
            )
        )
        head = form.format(label=self.name("side"), inner=self.body(0))
        return f"aux{read} -> {head}" if read else f"aux {head}"

    def body(self, depth: int) -> str:
        """Statements, one a line."""
        lines = [self.chain()]
        for _ in range(self.random.randint(1, 3)):
            lines.append(self.statement(depth))
        if self.random.random() < 0.6:
            lines.append(self.chain())
        return "\n".join(lines)

    def statement(self, depth: int) -> str:
        deeper = ["aux", "aux", "level", "block", "branches", "loop", "residual", "named"]
        kinds = ["chain", *(deeper if depth > 0 else [])]
        kind = self.random.choice(kinds)
        if kind == "chain":
            return self.chain()
        if kind == "aux":
            return self.head()
        if kind == "named":  # a head that reads what was some steps before
            label = self.name("v")
            side = f"{self.name('side')} {{ gap -> flatten -> linear(2) }}"
            return f"{self.chain()} as {label}\n{self.chain()}\naux from {label} -> {side}"
        inside = self.body(depth - 1)
        if kind == "level":
            return f"{self.random.choice(('', 'stage ', 'stem '))}{self.name('level')} {{\n{inside}\n}}"
        if kind == "block":
            name = self.name("Block")
            self.blocks.append(f"block {name}() {{\n{inside}\n}}\n")
            return f"{self.name('b')}: {name}"
        if kind == "branches":
            return f"branches add {{\n{self.name('p')} {{\n{inside}\n}}\n{self.name('r')}: conv(3, 1x1)\n}}"
        if kind == "loop":
            label = self.name("stage")
            self.blocks.append(f"block {label.title()}() {{\n{inside}\n}}\n")
            return f"stage {label} {{\nrepeat 2 {{ {label.title()} }}\n}}"
        return f"residual {{\n{inside}\n}}"


def aux_spec(seed: int) -> str:
    """The text of a spec."""
    writer = _Writer(seed)
    body = writer.body(3)
    blocks = "\n".join(writer.blocks)
    return f"{blocks}\narch net() {{\n    input 3x8x8\n{body}\n{writer.head()}\n{writer.chain()}\n}}\n"
