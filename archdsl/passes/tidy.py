"""Plans in their simplest form, and the way back: which box of each old entry a new one holds."""

from __future__ import annotations

from collections.abc import Sequence

from archdsl.passes.arrays import Concat, Expr, Part, Permute, Reshape, Same, Take, sizes_of, with_operands

Box = tuple[tuple[int, int], ...]  # the slice of each axis
Piece = tuple[Box, Expr]


def tidy(expression: Expr) -> Expr:
    """The same array, said in the shortest way: what is joined and cut again is what it was."""
    if isinstance(expression, Take):
        return expression
    expression = with_operands(expression, tidy)
    match expression:
        case Concat(parts=parts, axis=axis):
            return join(parts, axis)
        case Part(of=of, axis=axis, start=start, stop=stop):
            return cut(of, axis, start, stop)
        case Reshape(of=Reshape(of=of), sizes=sizes):
            return tidy(Reshape(of, sizes))
        case Reshape(of=of, sizes=sizes) if sizes_of(of) == sizes:
            return of
        case Permute(of=of, order=order):
            return permuted(of, order)
        case Same(parts=parts):
            different = tuple(dict.fromkeys(parts))
            return different[0] if len(different) == 1 else Same(different)
        case _:
            return expression


def cut(of: Expr, axis: int, start: int, stop: int) -> Expr:
    """A slice of a tidy expression, taken as far down as it goes."""
    if (start, stop) == (0, sizes_of(of)[axis]):
        return of
    match of:
        case Part(of=inner, axis=other, start=first) if other == axis:
            return Part(inner, axis, first + start, first + stop)
        case Concat(parts=parts, axis=other) if other == axis:
            found, place = [], 0
            for part in parts:
                size = sizes_of(part)[axis]
                low, high = max(start - place, 0), min(stop - place, size)
                if low < high:
                    found.append(cut(part, axis, low, high))
                place += size
            return join(found, axis)
        case Concat(parts=parts, axis=other):
            return join([cut(part, axis, start, stop) for part in parts], other)
        case Permute(of=inner, order=order):
            return permuted(cut(inner, order[axis], start, stop), order)
        case _:
            return Part(of, axis, start, stop)


def permuted(of: Expr, order: tuple[int, ...]) -> Expr:
    """A tidy expression with its axes in another order."""
    if isinstance(of, Permute):
        return permuted(of.of, tuple(of.order[axis] for axis in order))
    return of if order == tuple(range(len(order))) else Permute(of, order)


def join(parts: Sequence[Expr], axis: int) -> Expr:
    """Tidy expressions along an axis; neighbouring slices of one array are one slice again."""
    found: list[Expr] = []
    for part in parts:
        for item in part.parts if isinstance(part, Concat) and part.axis == axis else (part,):
            merged = _neighbours(found[-1], item, axis) if found else None
            if merged is None:
                found.append(item)
            else:
                found[-1] = merged
    return found[0] if len(found) == 1 else Concat(tuple(found), axis)


def _neighbours(first: Expr, second: Expr, axis: int) -> Expr | None:
    match first, second:
        case Part(of=one, axis=a, start=start, stop=middle), Part(of=two, axis=b, start=next_, stop=stop):
            if a == b == axis and middle == next_ and one == two:
                return cut(one, axis, start, stop)
    return None


def boxes(expression: Expr, source: Expr) -> list[tuple[str, Box, Expr]] | None:
    """Which box of each old entry a tidy rearranging expression holds, as an expression over the new entry `source`.

    `None` if it does more than rearrange, or cuts what was reshaped.
    """
    match expression:
        case Take(key=key, sizes=sizes):
            return [(key, tuple((0, size) for size in sizes), source)]
        case Concat(parts=parts, axis=axis):
            found: list[tuple[str, Box, Expr]] = []
            start = 0
            for part in parts:
                size = sizes_of(part)[axis]
                inner = boxes(part, cut(source, axis, start, start + size))
                if inner is None:
                    return None
                found += inner
                start += size
            return found
        case Same(parts=parts):
            every = [boxes(part, source) for part in parts]
            return [item for inner in every if inner is not None for item in inner] if None not in every else None
        case Reshape(of=of):
            return boxes(of, Reshape(source, sizes_of(of)))
        case Permute(of=of, order=order):
            return boxes(of, Permute(source, tuple(order.index(axis) for axis in range(len(order)))))
        case Part():
            return _boxed(expression, source)
        case _:
            return None


def _boxed(expression: Expr, source: Expr) -> list[tuple[str, Box, Expr]] | None:
    """The box of slices of slices of an entry."""
    slices: list[Part] = []
    while isinstance(expression, Part):
        slices.append(expression)
        expression = expression.of
    if not isinstance(expression, Take):
        return None
    box = [(0, size) for size in expression.sizes]
    for part in reversed(slices):
        first = box[part.axis][0]
        box[part.axis] = (first + part.start, first + part.stop)
    return [(expression.key, tuple(box), source)]


def assemble(whole: Box, pieces: Sequence[Piece]) -> Expr | None:
    """An array out of boxes that tile it, each number once; `None` if they overlap or leave a gap."""
    if len(pieces) == 1:
        return pieces[0][1] if pieces[0][0] == whole else None
    for axis, bounds in enumerate(whole):
        slabs = _slabs(bounds, pieces, axis)
        if len(slabs) == 1:
            continue
        parts = [assemble((*whole[:axis], slab, *whole[axis + 1 :]), inside) for slab, inside in slabs]
        found = [part for part in parts if part is not None]
        return join(found, axis) if parts and len(found) == len(parts) else None
    return None


def _slabs(bounds: tuple[int, int], pieces: Sequence[Piece], axis: int) -> list[tuple[tuple[int, int], list[Piece]]]:
    """The pieces in slabs across an axis that no piece reaches over; none if there is a gap between slabs."""
    slabs: list[tuple[tuple[int, int], list[Piece]]] = []
    reached = bounds[0]
    for piece in sorted(pieces, key=lambda piece: piece[0][axis][0]):
        start, stop = piece[0][axis]
        if start > reached:
            return []
        if slabs and start < reached:
            (first, _), inside = slabs[-1]
            inside.append(piece)
            slabs[-1] = ((first, max(reached, stop)), inside)
        else:
            slabs.append(((start, stop), [piece]))
        reached = max(reached, stop)
    return slabs if reached == bounds[1] else []
