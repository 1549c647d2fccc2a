"""Graph texts with mistakes that nobody makes: bytes flipped, lines and words moved, numbers and strings replaced."""

from __future__ import annotations

import json
import random
import re

# What a text of a file may try: to end a string, a comment or a line early, to be a format or a name of Python.
PAYLOADS = (
    '"',
    "'",
    "a\nb",
    "a\r\nb",
    '"""',
    "-->",
    "]]>",
    "\x1b[31mred",
    "}; digraph x {",
    "a;b",
    "__import__('os').system('touch CANARY')",
    '" + str(open("CANARY", "w")) + "',
    "x" * 5000,
    "\u202eevil\u2066",
    "a\u2028b",
    "a\0b",
    "a\ud800b",
    "%s%n%(a)s",
    "{0.__class__}{{",
    "lambda",
    "__class__.__init__",
    "<script>&amp;",
    "\\",
    "../../etc/passwd",
    "",
    "a b",
)
NUMBERS = (
    "0",
    "-1",
    "1",
    "2147483648",
    "999999999999999999",
    "-99999999999",
    "1e308",
    "1e999",
    "0.1",
    "1x1x1x1x1",
)
WORDS = ("training", "skip", "opens", "in", "none", "true", "declared", "input", "param", "unstack", "split", "shared")
_NUMBER = re.compile(r"(?<![A-Za-z_])[0-9]+")
_WORD = re.compile(r"[A-Za-z_@&%][A-Za-z0-9_.]*|[0-9]+|[^\s]")


def mutated(text: str, seed: int) -> str:
    """The text with one to six mistakes in it, by the seed."""
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 6)):
        text = rng.choice(MISTAKES)(text, rng)
    return text


def _flip(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(["", chr(rng.randrange(256)), rng.choice('"\\@%&()[]=,:. \n')]) + text[at + 1 :]


def _lines(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case 2:
            lines[at], lines[to] = lines[to], lines[at]
        case _:
            lines[at] = lines[at] * rng.choice([2, 50])
    return "\n".join(lines)


def _words(text: str, rng: random.Random) -> str:
    found = list(_WORD.finditer(text))
    if len(found) < 2:
        return text
    one, two = sorted(rng.sample(found, 2), key=lambda match: match.start())
    return text[: one.start()] + two.group() + text[one.end() : two.start()] + one.group() + text[two.end() :]


def _replaced(text: str, rng: random.Random, pattern: re.Pattern[str], new: str) -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text
    match = rng.choice(found)
    return text[: match.start()] + new + text[match.end() :]


def _numbers(text: str, rng: random.Random) -> str:
    return _replaced(text, rng, _NUMBER, rng.choice(NUMBERS))


def _strings(text: str, rng: random.Random) -> str:
    quoted = json.dumps(rng.choice(PAYLOADS))
    return _replaced(
        text, rng, _WORD, rng.choice([quoted, f"@ {quoted}", f"doc={quoted}", f"(a={quoted})", quoted[1:-1]])
    )


def _name(text: str, rng: random.Random) -> str:
    return _replaced(text, rng, _WORD, rng.choice(WORDS))


def _deep(text: str, rng: random.Random) -> str:
    count = rng.choice([70, 3000])
    nest = rng.choice(["[" * count + "]" * count, "a." * count + "a", "1x" * count + "1", "relu(" * count, "(" * count])
    return _replaced(text, rng, _WORD, nest)


def _many(text: str, rng: random.Random) -> str:
    """Scopes in one another, or a chain of layers, longer than any net has."""
    count = rng.choice([300, 2000])
    if rng.random() < 0.5:
        first = text.count("\n&") + 1
        return text + "".join(f"&{first + at} = block in &{first + at - 1} block=Cell\n" for at in range(count))
    first = text.count("\n%")
    shape = rng.choice(["4x8x8", "1", "2147483647"])
    return text + "".join(f"%{first + at} = relu %{first + at - 1} : {shape}  @r{at} in &0\n" for at in range(count))


MISTAKES = (_flip, _flip, _lines, _words, _words, _numbers, _numbers, _strings, _strings, _name, _deep, _many)
