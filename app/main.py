"""Entry script of the dashboard: page configuration, one-time warm-up, navigation, the sidebar, and then the page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).resolve().parent
if str(_HERE) not in sys.path:
    sys.path.insert(0, str(_HERE))

import controls  # noqa: E402
import jobs  # noqa: E402
import page  # noqa: E402
import permalinks  # noqa: E402
import settings  # noqa: E402
import warm_up  # noqa: E402

st.set_page_config(
    page_title="fimcore: Fisher geometry of random deep networks",
    # A local file: the browser would fetch an icon by name from a public host.
    page_icon=str(_HERE / "favicon.png"),
    layout="wide",
    menu_items={"Get help": None, "Report a bug": None, "About": None},
)
warm_up.once()

# Group, file, title, address, question; a page without a question has no network. A group of several pages is a menu.
PAGES = (
    ("", "explore.py", "Explore", "", "explore"),
    ("", "width.py", "Width", "width", "width"),
    ("", "spectrum.py", "Spectrum", "spectrum", "spectrum"),
    ("", "phase.py", "Phase", "phase", "phase"),
    ("", "unit.py", "Units", "unit", "unit"),
    ("", "directions.py", "Directions", "directions", "directions"),
    ("Estimators", "estimators.py", "Two estimators", "estimators", "estimators"),
    ("Estimators", "sampling.py", "Watch one", "sampling", "sampling"),
    ("Estimators", "estimator_training.py", "Through training", "estimator_training", "estimator_training"),
    ("Estimators", "toy_descent.py", "Toy descent", "toy_descent", "toy_descent"),
    ("Estimators", "empirical_fisher.py", "Empirical", "empirical_fisher", "empirical_fisher"),
    ("Train", "train.py", "Race", "train", "train"),
    ("Train", "dynamics.py", "While learning", "dynamics", "dynamics"),
    ("Train", "plateau.py", "Plateau", "plateau", "plateau"),
    ("Learn", "report.py", "Sanity report", "report", "report"),
    ("Learn", "about.py", "About", "about", None),
)
present = [entry for entry in PAGES if (_HERE / "views" / entry[1]).exists()]
groups: dict[str, list[Any]] = {}
for group, file, title, address, _ in present:
    groups.setdefault(group, []).append(
        st.Page(_HERE / "views" / file, title=title, url_path=address or None, default=not address)
    )
chosen = st.navigation(groups, position="top")
question = {address: name for *_, address, name in present}[chosen.url_path]

permalinks.arrive(question)
page.header()
if question is not None and settings.has_network(question):
    controls.sidebar(question)
permalinks.publish(question)
jobs.open_page()
page.run(chosen)
