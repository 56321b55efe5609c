"""Results that all visitors share: bounded in number and bytes, the least recently used go first. Values are never changed."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd


def size_of(value: Any) -> int:
    """About how many bytes a result holds."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, pd.DataFrame):
        return int(value.memory_usage(deep=True).sum())
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values())) + 64 * len(value)
    if isinstance(value, tuple | list):
        return sum(map(size_of, value)) + 16 * len(value)
    if is_dataclass(value) and not isinstance(value, type):
        return sum(size_of(getattr(value, item.name)) for item in fields(value)) + 64
    return sys.getsizeof(value)


class ResultCache:
    """A dictionary that forgets: at most `max_entries` values and `max_bytes` bytes."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self.max_entries, self.max_bytes = max_entries, max_bytes
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any | None:
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value; one that is larger than the whole cache is not kept."""
        size = size_of(value)
        with self._lock:
            if key in self._held:
                self._bytes -= self._held.pop(key)[1]
            if size > self.max_bytes:
                return
            self._held[key] = (value, size)
            self._bytes += size
            while len(self._held) > self.max_entries or self._bytes > self.max_bytes:
                self._bytes -= self._held.popitem(last=False)[1][1]

    def __len__(self) -> int:
        return len(self._held)

    @property
    def bytes(self) -> int:
        return self._bytes
