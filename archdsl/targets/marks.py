"""The mark of archdsl in pictures and flattened specs, so that the command line knows which files it may overwrite."""

from __future__ import annotations

import zlib

MARK = "drawn by archdsl"
PNG_HEADER = 33  # bytes of the signature and the first chunk (PNG specification, 5.2 and 11.2.2)


def marked_arch(text: str) -> str:
    """A flattened spec under a comment."""
    return f"# flattened by archdsl\n\n{text}"


def marked_spec(text: str) -> str:
    """A spec that was found again in a graph, under a comment."""
    return f"# written by archdsl\n\n{text}"


def marked_dot(text: str) -> str:
    """DOT text under a comment."""
    return f"// {MARK}\n{text}"


def marked_svg(text: str) -> str:
    """An SVG with a comment before its root."""
    root = text.find("<svg")
    return f"{text[:root]}<!-- {MARK} -->\n{text[root:]}" if root >= 0 else text


def marked_png(data: bytes) -> bytes:
    """A PNG with a text chunk behind its header."""
    body = b"tEXt" + b"Software\0" + MARK.encode("latin-1")
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return data[:PNG_HEADER] + chunk + data[PNG_HEADER:]


def marked_pdf(data: bytes) -> bytes:
    """A PDF with a comment behind its end, where no offset moves."""
    return data + f"%{MARK}\n".encode("latin-1")
