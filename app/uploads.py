"""Uploaded tables: kept under the hash of their content in a folder of this process, never under a name a visitor chose."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

from fimcore.experiments.network_spec import CSV_MAX_BYTES, CSV_MAX_COLUMNS
from fimcore.inputs import InputError, content_hash, load

MAX_FILES = 50
_TOKEN = re.compile(r"[0-9a-f]{16}")
_lock = threading.Lock()


@lru_cache(maxsize=1)
def folder() -> Path:
    """A folder that only this user can read, removed when the process ends."""
    path = Path(tempfile.mkdtemp(prefix="fimcore-uploads-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def is_token(text: str) -> bool:
    """Whether a text has the form of a token; nothing else ever becomes part of a path."""
    return _TOKEN.fullmatch(text) is not None


def keep(content: bytes) -> str:
    """Store a table and return its token.

    Raises:
        InputError: it is not a table of numbers within the limits; nothing is kept.
    """
    if len(content) > CSV_MAX_BYTES:
        raise InputError(
            f"This file has {len(content) / 1e6:.1f} MB. A CSV with numbers only, at most {CSV_MAX_BYTES / 1e6:g} MB and "
            f"{CSV_MAX_COLUMNS} columns, works."
        )
    token = content_hash(content)
    path = folder() / f"{token}.csv"
    with _lock:
        if not path.exists():
            draft = folder() / "this file.csv"
            draft.write_bytes(content)
            try:
                load(draft, max_bytes=CSV_MAX_BYTES, max_columns=CSV_MAX_COLUMNS)
            except InputError as error:
                draft.unlink()
                raise InputError(str(error).replace(draft.name, "This file")) from error
            draft.rename(path)
        os.utime(path)
        for old in sorted(folder().glob("*.csv"), key=lambda file: file.stat().st_mtime_ns)[:-MAX_FILES]:
            old.unlink()
    return token


def path_of(token: str) -> str | None:
    """Path of an uploaded table, or None where this server does not have it."""
    if not is_token(token):
        return None
    path = folder() / f"{token}.csv"
    if not path.is_file():
        return None
    os.utime(path)
    return str(path)
