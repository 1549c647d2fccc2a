"""DOT text to SVG, PNG or PDF by a renderer outside this process."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Final

from archdsl.diagnostics import ArchdslError, UsageError, quote

FORMATS: Final = ("svg", "png", "pdf")
RENDERERS: Final = ("auto", "pure", "dot")
SECONDS: Final = 120
MEMORY: Final = 1 << 30  # bytes of address space that a renderer may take
DRAWN: Final = 20_000  # boxes and edges that a renderer is given: what is more is no picture that could be read
COARSER: Final = "draw it at a coarser depth (--depth block, or stage), or write the DOT text (-o x.gv)"
PURE_FORMATS: Final = ("svg", "png")
HARMLESS: Final = "no value for width of non-ASCII character"


class MissingTool(ArchdslError):  # noqa: N818 - what is missing, not what went wrong
    """An optional program or package that is not installed (exit code 3)."""


class RenderError(ArchdslError):
    """A renderer that is there and does not do its work."""


def rendered(text: str, format: str = "svg", renderer: str = "auto") -> bytes:
    """DOT text as the bytes of an SVG, PNG or PDF.

    `renderer`: `pure` is the graphviz-pure wheel (SVG and PNG, the same bytes on every machine), `dot` the program that
    `ARCHDSL_DOT` names or that is on the path, `auto` the first of them that is there and knows the format. A PDF falls
    back on svglib and reportlab. Raises `UsageError` for another format or renderer, `MissingTool` where nothing can
    render, and `RenderError` where a renderer fails or takes too long.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no picture format `{quote(format)}`: it is one of {', '.join(FORMATS)}")
    if renderer not in RENDERERS:
        raise UsageError(f"there is no renderer `{quote(renderer)}`: it is one of {', '.join(RENDERERS)}")
    if renderer == "pure" and format not in PURE_FORMATS:
        raise UsageError(f"the renderer `pure` makes {' and '.join(PURE_FORMATS)}, not {format}")
    pure = _pure() if renderer != "dot" else None
    if pure is not None and format in PURE_FORMATS:
        return _run(pure, text, format)
    dot = _dot() if renderer != "pure" else None
    if dot is not None:
        return _run(dot, text, format)
    if pure is not None and format == "pdf":
        return _pdf(_run(pure, text, "svg"))
    if renderer == "dot":
        raise MissingTool("there is no `dot`: install Graphviz, or name the program in ARCHDSL_DOT")
    raise MissingTool("nothing here renders pictures: pip install graphviz-pure, or install Graphviz")


def _pure() -> Path | None:
    """The program of the graphviz-pure wheel, which stands beside this Python's own scripts."""
    found = shutil.which("graphviz-pure", path=sysconfig.get_path("scripts"))
    return Path(found) if found else None


def _dot() -> Path | None:
    named = os.environ.get("ARCHDSL_DOT")
    if named:
        found = shutil.which(named)
        if found is None:
            raise MissingTool(f"ARCHDSL_DOT names `{quote(named)}`, which is no program")
        return Path(found)
    found = shutil.which("dot")
    return Path(found) if found else None


def hold(boxes: int, edges: int) -> None:
    """Raises `RenderError` for a picture that a renderer would not finish."""
    if boxes + edges > DRAWN:
        told = f"this picture has {boxes:,} boxes and {edges:,} edges, and {DRAWN:,} together are drawn"
        raise RenderError(f"{told}: {COARSER}")


def _limited() -> None:
    """In the renderer's process: no more memory and processor time than it may take, where the system can say so."""
    import resource

    for kind, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _run(program: Path, text: str, format: str) -> bytes:
    try:
        done = subprocess.run(
            [str(program), "-Kdot", f"-T{format}"],
            input=text.encode(),
            capture_output=True,
            timeout=SECONDS,
            check=False,
            preexec_fn=_limited if os.name == "posix" else None,
        )
    except subprocess.TimeoutExpired:
        raise RenderError(f"{program.name} took more than {SECONDS} seconds: {COARSER}") from None
    except OSError as error:
        raise MissingTool(f"{program.name} does not run: {error.strerror}") from None
    if done.returncode < 0 or b"emory" in done.stderr:
        raise RenderError(f"{program.name} used up the {MEMORY >> 30} GiB or {SECONDS} seconds it may take: {COARSER}")
    if done.returncode or not done.stdout:
        told = [line for line in done.stderr.decode(errors="replace").splitlines() if line and HARMLESS not in line]
        raise RenderError(f"{program.name} failed: {quote(told[0]) if told else f'exit code {done.returncode}'}")
    return done.stdout


def _pdf(svg: bytes) -> bytes:
    """A PDF of an SVG, by the packages of the extra `pdf`."""
    try:
        from reportlab.graphics import renderPDF  # type: ignore[import-untyped, import-not-found, unused-ignore]
        from svglib.svglib import svg2rlg  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        message = "a PDF needs Graphviz's `dot`, or the packages of `pip install 'archdsl[pdf]'`"
        raise MissingTool(message) from None
    drawing = svg2rlg(io.BytesIO(svg))
    if drawing is None:
        raise RenderError("svglib does not read the SVG")
    return bytes(renderPDF.drawToString(drawing, invariant=1))
