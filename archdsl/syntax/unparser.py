"""Tree to text: each construct in its form, from the tree alone. Spans are not read."""

from __future__ import annotations

from collections.abc import Iterable

from archdsl.syntax import tree
from archdsl.syntax.formatter import INDENT, WIDTH, layout_text

LEVELS = {"or": 1, "and": 2, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6, "**": 8}
LEVELS |= dict.fromkeys(("==", "!=", "<", ">", "<=", ">="), 4)
CONDITIONAL, OR, NOT, SUM, UNARY, POSTFIX = 0, 1, 3, 5, 7, 9


def print_tree(file: tree.File) -> str:
    """A text that parses to an equal tree. Raises `ValueError` for a string that no spec can hold."""
    parts = [_doc(file.doc)] if file.doc else []
    parts += [_doc(getattr(declaration, "doc", "")) + _declaration(declaration) for declaration in file.declarations]
    return layout_text("\n".join(parts), aligned=False)


def print_expression(expr: tree.Expr) -> str:
    """One expression as text, with the brackets that it needs."""
    return _expr(expr, CONDITIONAL)


def _doc(doc: str) -> str:
    return "".join(f"## {line}".rstrip() + "\n" for line in doc.split("\n")) if doc else ""


# ---------------------------------------------------------------------------- declarations


def _declaration(declaration: tree.Declaration) -> str:
    match declaration:
        case tree.Import(path=path, names=names):
            return f"from {_string(path)} import {_names(names)}\n"
        case tree.Let() | tree.Defaults():
            return "\n".join(_statement(declaration)) + "\n"
        case tree.Block(name=name, parameters=parameters, body=body):
            return f"block {name.name}({_parameters(parameters)}) " + "\n".join(_braces(_body(body))) + "\n"
        case tree.Arch(name=name, parameters=parameters, body=body):
            return f"arch {name.name}({_parameters(parameters)}) " + "\n".join(_braces(_body(body))) + "\n"
        case tree.BlockVariant(name=name, base=base):
            return f"block {name.name} = {_placed(base)}\n"
        case tree.ArchVariant(name=name, base=base, claims=claims):
            lines = [line for claim in claims for line in _statement(claim)]
            head = f"arch {name.name} = {_placed(base)}"
            return "\n".join(_headed(head, _braces(lines)) if lines else [head]) + "\n"


def _parameters(parameters: Iterable[tree.Parameter]) -> str:
    return ", ".join(p.name.name + (f"={_expr(p.default, CONDITIONAL)}" if p.default else "") for p in parameters)


def _names(names: Iterable[tree.Ident]) -> str:
    return ", ".join(name.name for name in names)


# ------------------------------------------------------------------------------ statements


def _body(body: tree.Body) -> list[str]:
    return [line for statement in body.statements for line in _statement(statement)]


def _braces(lines: list[str]) -> list[str]:
    """A body as lines: the first goes on the line of its head."""
    return ["{", *(" " * INDENT + line for line in lines), "}"] if lines else ["{}"]


def _inner(body: tree.Body) -> list[str]:
    """A body inside another: on one line if it is one short statement without a body of its own."""
    lines = _body(body)
    short = len(lines) == 1 and " {" not in lines[0] and len(lines[0]) < WIDTH // 2
    return [f"{{ {lines[0]} }}"] if short else _braces(lines)


def _headed(head: str, lines: list[str]) -> list[str]:
    return [f"{head} {lines[0]}", *lines[1:]]


def _statement(statement: tree.Statement) -> list[str]:
    match statement:
        case tree.Let(names=names, value=value):
            return [f"let {_names(names)} = {_expr(value, CONDITIONAL)}"]
        case tree.Require(condition=condition, message=message):
            return [f"require {_expr(condition, CONDITIONAL)}" + (f", {_string(message)}" if message else "")]
        case tree.Expect(condition=condition, approximate=approximate):
            about = f" ~= {_expr(approximate, SUM)}" if approximate else ""
            return [f"expect {_expr(condition, OR)}{about}"]
        case tree.Input(name=name, size=size):
            return [f"input {f'{name.name}: ' if name else ''}{_expr(size, CONDITIONAL)}"]
        case tree.Output(items=items):
            return ["output " + ", ".join(_item(item) for item in items)]
        case tree.Defaults(calls=calls):
            return ["defaults " + ", ".join(map(_placed, calls))]
        case tree.Param(label=label, call=call):
            return [f"param {_label(label)}: {_placed(call)}"]
        case tree.Shared(label=label, placed=placed):
            return [f"shared {_label(label)}: {_placed(placed)}"]
        case tree.If():
            return _if(statement)
        case tree.Repeat(count=count, index=index, body=body):
            return _headed(f"repeat {_expr(count, CONDITIONAL)}{_as(index)}", _inner(body))
        case tree.For(names=names, iterable=iterable, index=index, body=body):
            return _headed(f"for {_names(names)} in {_expr(iterable, CONDITIONAL)}{_as(index)}", _inner(body))
        case tree.Aux(chain=chain):
            return _headed("aux", _chain(chain))
        case tree.Chain():
            return _chain(statement)


def _item(item: tree.OutputItem) -> str:
    return (f"{item.name.name}=" if item.name else "") + _expr(item.value, CONDITIONAL)


def _as(index: tree.Ident | None) -> str:
    return f" as {index.name}" if index else ""


def _if(statement: tree.If) -> list[str]:
    lines = _headed(f"if {_expr(statement.condition, OR)}", _inner(statement.body))
    if statement.otherwise is None:
        return lines
    rest = _if(statement.otherwise) if isinstance(statement.otherwise, tree.If) else _inner(statement.otherwise)
    return [*lines[:-1], f"{lines[-1]} else {rest[0]}", *rest[1:]]


def _chain(chain: tree.Chain) -> list[str]:
    """The links one after another, each on the line where the one before it ends."""
    lines = _link(chain.links[0])
    for link in chain.links[1:]:
        more = _link(link)
        lines = [*lines[:-1], f"{lines[-1]} -> {more[0]}", *more[1:]]
    if chain.targets:
        lines[-1] += " as " + ", ".join(map(_as_target, chain.targets))
    return lines


def _as_target(target: tree.Target) -> str:
    return target.name.name + "".join(f"[{_expr(index, CONDITIONAL)}]" for index in target.indices)


def _link(link: tree.Link) -> list[str]:
    match link:
        case tree.From(value=value):
            return [f"from {_expr(value, CONDITIONAL)}"]
        case tree.Role(role=role, target=target):
            return _headed(role, _link(target))
        case tree.Layer(label=label, placed=placed):
            return [f"{_label(label)}: {_placed(placed)}" if label else _placed(placed)]
        case tree.Scope(label=label, body=body):
            return _headed(_label(label), _inner(body)) if label else _inner(body)
        case tree.Branches(merge=merge, body=body):
            return _headed(f"branches {_placed(merge)}" if merge else "branches", _braces(_body(body)))
        case tree.Residual(condition=condition, body=body, skip=skip):
            head = f"residual if {_expr(condition, OR)}" if condition else "residual"
            lines = _headed(head, _braces(_body(body)))
            if skip is None:
                return lines
            more = _link(skip)
            return [*lines[:-1], f"{lines[-1]} skip {more[0]}", *more[1:]]


def _label(label: tree.Label) -> str:
    return label.name if isinstance(label, tree.Ident) else _string(label)


def _placed(placed: tree.Placed) -> str:
    return placed.name.name + (f"({_arguments(placed.arguments)})" if placed.called or placed.arguments else "")


def _arguments(arguments: Iterable[tree.Argument]) -> str:
    return ", ".join((f"{a.name.name}=" if a.name else "") + _expr(a.value, CONDITIONAL) for a in arguments)


# ----------------------------------------------------------------------------- expressions


def _expr(expr: tree.Expr, level: int) -> str:
    """The expression where one of at least this binding strength is asked for."""
    text, own = _bound(expr)
    return f"({text})" if own < level else text


def _bound(expr: tree.Expr) -> tuple[str, int]:
    """An expression's text, and how strongly it binds."""
    match expr:
        case tree.Name(name=name):
            return name, POSTFIX
        case tree.Number(value=value, digits=digits):
            text = digits or repr(value)
            return text, UNARY if text.startswith("-") else POSTFIX
        case tree.Bool(value=truth):
            return ("true" if truth else "false"), POSTFIX
        case tree.Nothing():
            return "none", POSTFIX
        case tree.Text():
            return _string(expr), POSTFIX
        case tree.Size(dims=dims):
            return "x".join(map(str, dims)), POSTFIX
        case tree.ListOf(items=items):
            return "[" + ", ".join(_expr(item, CONDITIONAL) for item in items) + "]", POSTFIX
        case tree.Comprehension():
            return _comprehension(expr), POSTFIX
        case tree.Unary(op="not", operand=operand):
            return f"not {_expr(operand, NOT)}", NOT
        case tree.Unary(op=op, operand=operand):
            return f"{op}{_expr(operand, UNARY)}", UNARY
        case tree.Binary():
            return _binary(expr), LEVELS[expr.op]
        case tree.Conditional(then=then, condition=condition, otherwise=otherwise):
            text = f"{_expr(then, OR)} if {_expr(condition, OR)} else {_expr(otherwise, CONDITIONAL)}"
            return text, CONDITIONAL
        case tree.Attribute(value=of, name=ident):
            return f"{_expr(of, POSTFIX)}.{ident.name}", POSTFIX
        case tree.Index(value=of, index=index):
            return f"{_expr(of, POSTFIX)}[{_expr(index, CONDITIONAL)}]", POSTFIX
        case tree.Slice(value=of, start=start, stop=stop):
            first = _expr(start, CONDITIONAL) if start else ""
            return f"{_expr(of, POSTFIX)}[{first}:{_expr(stop, CONDITIONAL) if stop else ''}]", POSTFIX
        case tree.Call(function=function, arguments=arguments):
            return f"{_expr(function, POSTFIX)}({_arguments(arguments)})", POSTFIX


def _binary(expr: tree.Binary) -> str:
    own = LEVELS[expr.op]
    left, right = own, own + 1
    if expr.op == "**":
        left, right = POSTFIX, UNARY
    elif own == LEVELS["=="]:
        left, right = SUM, SUM
    return f"{_expr(expr.left, left)} {expr.op} {_expr(expr.right, right)}"


def _comprehension(expr: tree.Comprehension) -> str:
    loops = "".join(f" for {_names(g.names)} in {_expr(g.iterable, OR)}" for g in expr.generators)
    return f"[{_expr(expr.item, CONDITIONAL)}{loops}{f' if {_expr(expr.condition, OR)}' if expr.condition else ''}]"


def _string(text: tree.Text) -> str:
    parts = [
        part.replace("{", "{{").replace("}", "}}") if isinstance(part, str) else f"{{{_expr(part, CONDITIONAL)}}}"
        for part in text.parts
    ]
    inner = "".join(parts)
    if '"' in inner or "\n" in inner:
        raise ValueError("a string of a spec holds no double quote and no line end")
    return f'"{inner}"'
