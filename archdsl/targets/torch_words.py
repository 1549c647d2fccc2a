"""Arguments and modules as a body writes them: literals and expressions in parameters, and how a module is reached."""

from __future__ import annotations

from archdsl.gate import Python, identifier, python, text_of
from archdsl.outline.call import Argument
from archdsl.outline.model import Build, Expression, Formula, Holder
from archdsl.targets.torch_names import attribute, hidden, hidden_in_container
from archdsl.targets.torch_terms import term_doc
from archdsl.targets.torch_text import Brackets, Doc, flat, literal


def argument_text(argument: Argument) -> Doc | None:
    """A literal, or an expression in a class's parameters; `None` where it is the default."""
    value = argument.value
    if type(value) is type(argument.default) and value == argument.default:
        return None
    return expression_text(value)


def expression_text(value: object) -> Doc:
    """`width * 4`, `width // 16`, or a literal."""
    if isinstance(value, tuple):
        items = tuple(map(expression_text, value))
        return f"({flat(items[0])},)" if len(items) == 1 else Brackets("", items)
    if isinstance(value, Formula):
        return term_doc(value.term)
    if not isinstance(value, Expression):
        return literal(value)
    if value.factor != 1:
        return f"{value.parameter} * {value.factor}"
    return value.parameter if value.divisor == 1 else f"{value.parameter} // {value.divisor}"


def reach(access: tuple[str, ...], build: Build) -> Python:
    """How a body reads a module: `self.conv1`, `getattr(self, "0")`, `self.up[0]`, `self.up["conv"]`."""
    first, *rest = access
    text = python("self.{}", identifier(first)) if attribute(first) else child(python("self"), first)
    for name in rest:
        assert isinstance(build, Holder)
        if is_list(build):
            text = python("{}[{}]", text, int(name))
        else:
            text = python("{}[{}]", text, text_of(name)) if not hidden_in_container(name) else children(text, name)
        build = dict(build.children)[name]
    return text


def child(of: Python, name: str) -> Python:
    """A child whose name is no attribute's: `getattr` finds it, unless the module has an attribute of that name."""
    return children(of, name) if hidden(name) else python("getattr({}, {})", of, text_of(name))


def children(of: Python, name: str) -> Python:
    """A child whose name hides behind an attribute of the module."""
    return python("dict({}.named_children())[{}]", of, text_of(name))


def is_list(holder: Holder) -> bool:
    """Whether the children are named by their positions."""
    return [name for name, _ in holder.children] == [str(at) for at in range(len(holder.children))]
