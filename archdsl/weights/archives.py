"""Files of torch.save, held to what torch.save writes before torch reads them; no torch is needed for it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import BinaryIO

from archdsl.weights.pickles import PickleFault, look

ZIP = b"PK\x03\x04"
TAR = slice(257, 262)  # where a tar archive says `ustar`
LEGACY = 5  # pickles at the start of a file without an archive: three of the form, the content, the storages' keys


class ArchiveFault(Exception):  # noqa: N818 - a reason on its way to the file's name
    """Why a file is not given to torch."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What a file holds: the bytes that its storages may have in all, and their number if the file says it."""

    room: int
    storages: int | None


def inspect(file: BinaryIO, size: int) -> Archive:
    """What an open file holds; it is at its start afterwards. Raises `ArchiveFault`."""
    first = file.read(512)
    file.seek(0)
    if first[TAR] == b"ustar":
        raise ArchiveFault("is in the form of torch before 0.1.10: load it with torch and save it again")
    try:
        found = _zipped(file, size) if first[:4] == ZIP else _legacy(file, size)
    except PickleFault as fault:
        raise ArchiveFault(f"is not read: {fault}") from fault
    file.seek(0)
    return found


def _zipped(file: BinaryIO, size: int) -> Archive:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _hold_entries(entries, size)
            # Torch compares names without their case.
            pickles = [entry for entry in entries if entry.filename.lower().endswith("/data.pkl")]
            if len(pickles) != 1 or not pickles[0].filename.endswith("/data.pkl"):
                raise ArchiveFault("is an archive, but none of torch.save")
            content = archive.read(pickles[0])
    except ArchiveFault:
        raise
    except Exception as error:  # of a damaged archive: BadZipFile, but also struct.error, OverflowError and others
        raise ArchiveFault("is a damaged archive") from error
    look(io.BytesIO(content))
    folder = pickles[0].filename.removesuffix("data.pkl") + "data/"
    return Archive(sum(entry.file_size for entry in entries if entry.filename.startswith(folder)), None)


def _hold_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Raises `ArchiveFault` for entries that are more than the file: compressed, or two of them in one place."""
    if any(entry.filename.endswith("/constants.pkl") or "/code/" in entry.filename for entry in entries):
        raise ArchiveFault("is a TorchScript program: save the state_dict of its module")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ArchiveFault("is a compressed archive, which torch.save does not write: save it again with torch.save")
    if sum(entry.file_size for entry in entries) > size:
        raise ArchiveFault("is an archive whose parts are larger than the file")
    if len({entry.filename.lower() for entry in entries}) < len(entries):
        raise ArchiveFault("is an archive that holds one name twice")
    if min((entry.header_offset for entry in entries), default=0) != 0:
        raise ArchiveFault("is an archive that does not begin where the file does")


def _legacy(file: BinaryIO, size: int) -> Archive:
    seen = [look(file) for _ in range(LEGACY)]
    return Archive(size - file.tell(), len(seen[-1].texts))
