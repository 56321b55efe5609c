"""The bytes of a file, unpacked where it is gzipped, and never more of them than allowed."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fimcore.inputs.data import InputError

CHUNK = 1_000_000


@dataclass(frozen=True)
class Limits:
    """How large a file may be, and the sentence about what works that ends every refusal."""

    works: str
    max_bytes: int
    max_columns: int

    def __str__(self) -> str:
        return f"{self.works}, at most {self.max_bytes / 1e6:g} MB and {self.max_columns} columns, works."


@contextmanager
def refusing(sentence: str) -> Iterator[None]:
    """Turn whatever a reader raises on malformed bytes into an InputError with this sentence.

    gzip, zipfile and numpy raise a dozen kinds of exceptions on such bytes and document few of them.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(sentence) from error


def is_file(path: Path) -> bool:
    """Whether there is such a file; no for a name that the file system cannot even ask about."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_content(path: Path, limits: Limits) -> bytes:
    """The content of a file, or what a .gz file unpacks to.

    Raises:
        InputError: it cannot be read, is larger than allowed before or after unpacking, or is a damaged .gz file.
    """
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise InputError(f"{path.name} has {size / 1e6:.1f} MB. {limits}")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror}). {limits}") from error
    return _unpacked(content, path.name, limits) if path.name.lower().endswith(".gz") else content


def _unpacked(content: bytes, name: str, limits: Limits) -> bytes:
    pieces, total = [], 0
    with (
        refusing(f"{name} is not a complete gzip file: it is truncated or damaged. {limits}"),
        gzip.open(io.BytesIO(content)) as stream,
    ):
        while piece := stream.read(CHUNK):
            total += len(piece)
            if total > limits.max_bytes:
                raise InputError(f"{name} unpacks to more than {limits.max_bytes / 1e6:g} MB. {limits}")
            pieces.append(piece)
    return b"".join(pieces)
