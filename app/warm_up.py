"""Once per server: import what is slow, compute the defaults of the pages, and take all of it out of the collector's way.

Streamlit collects garbage after every run of a script; with torch imported that walks a quarter of a million objects and
delays every answer by 140 ms. Frozen objects are not walked.
"""

from __future__ import annotations

import gc
import importlib
import logging

import streamlit as st

SLOW = ("torch", "plotly.graph_objects", "pandas", "scipy.special", "scipy.linalg", "sklearn.datasets", "PIL.Image")
# Question, function, fields it does not depend on: what a first visitor sees.
DEFAULTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("width", "run", ()),
    ("spectrum", "run", ()),
    ("phase", "run", ()),
    ("unit", "one", ("seeds",)),
    ("unit", "layers", ("layer", "unit", "isotropic", "along")),
    ("unit", "moments", ("along", "damping")),
    ("directions", "run", ()),
    ("sampling", "watch", ("log_shares",)),
    ("sampling", "curves", ("sharpness", "averaged", "log_shares")),
    ("report", "run", ()),
    ("train", "run", ()),
    ("dynamics", "run", ()),
    ("estimator_training", "run", ("all_bounds",)),
)


@st.cache_resource(show_spinner="Warming up …")
def once() -> int:
    """Number of objects that the collector no longer walks."""
    for name in SLOW:
        importlib.import_module(name)
    import jobs

    from fimcore.blas_threads import stay_on_one_thread
    from fimcore.experiments import load

    stay_on_one_thread()

    jobs.pool()
    for question, function, ignore in DEFAULTS:
        try:
            jobs.precompute(question, load(question).Spec(), function, ignore)
        except Exception:
            logging.getLogger("fimcore.app").exception("the defaults of %s could not be computed ahead", question)
    gc.collect()
    gc.freeze()
    return gc.get_freeze_count()
