"""How many threads numpy's and scipy's BLAS work on, while torch has threads of its own.

Both keep their idle threads spinning for a moment, each waiting for work of its own kind. Code that changes between the two all the
time, as the numerical core does, then has twice as many busy threads as cores, and every product waits for the system's
scheduler: measured on two cores, 6 to 30 times slower than on one thread. So only a product that is large by itself gets
more than one. scikit-learn holds its inner loops to one thread for the same reason, by the same library.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache

from threadpoolctl import LibController, ThreadpoolController

# Multiply-adds of one product. Up to the first OpenBLAS never shares the work; from the second (20 ms and more on one
# thread) a spinning torch is at rest long before the end.
NEVER_SHARED, WORTH_SHARING = 2**18, 500_000_000
_HELD = threading.Lock()


@lru_cache(maxsize=1)
def _blas() -> tuple[ThreadpoolController, tuple[LibController, ...]]:
    import numpy as np  # noqa: F401  (a library is only listed once it is loaded)
    import scipy.linalg  # noqa: F401

    found = ThreadpoolController().select(user_api="blas")
    return found, tuple(found.lib_controllers)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold numpy's and scipy's BLAS to one thread; afterwards they work on as many as before.

    Also a decorator. May be nested. The number belongs to the process: where several Python threads ask, the first holds it
    until it leaves, and one that is still inside then only loses speed.
    """
    found, libraries = _blas()
    if all(each.num_threads == 1 for each in libraries) or not _HELD.acquire(blocking=False):
        yield
        return
    try:
        with found.limit(limits=1):
            yield
    finally:
        _HELD.release()


def threads_for(multiply_adds: int) -> AbstractContextManager[None]:
    """One thread for a product of this size where sharing it would cost more than it gains."""
    return one_thread() if NEVER_SHARED < multiply_adds < WORTH_SHARING else nullcontext()


def stay_on_one_thread() -> None:
    """One thread for this process from now on, torch's included: for a server, where visitors compute side by side."""
    import torch

    torch.set_num_threads(1)
    _blas()[0].limit(limits=1)
