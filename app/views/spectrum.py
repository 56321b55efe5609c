"""The page Spectrum: how large is the largest eigenvalue? Six views of the eigenvalues of F, measured beside predicted."""

from __future__ import annotations

from collections.abc import Sequence

import controls
import jobs
import lessons
import page
import settings
import spectrum_captions
import spectrum_words
import streamlit as st
from chart import show_chart
from picture_export import picture_menu
from spectrum_pictures import Picture, pictures_of

from fimcore.experiments.result import Result
from fimcore.experiments.spectrum_spec import Spec
from fimcore.experiments.spectrum_statistics import centring_applies

QUESTION = "spectrum"
CONTROLS = {
    "density": ("hkh", "res"),
    "blocks": ("res",),
    "width": ("wm", "res"),
    "inputs": ("Nm", "res"),
    "whitened": ("damp",),
    "step": ("gap",),
}
FIRST_TABLES = {"density": ("statistics",)}
TABLES = {
    "statistics": "Show the statistics as table",
    "density": "Show the density as table",
    "eigenvalues": "Show the eigenvalues as table",
    "outliers": "Show those that stand out as table",
    "layers": "Show the layers as table",
    "structures": "Show the blocks as table",
    "sweep": "Show as table",
    "whitened": "Show the whitened spectrum as table",
    "dampings": "Show the dampings as table",
    "descent": "Show the losses as table",
    "factors": "Show the factors as table",
}


def residual_on() -> bool:
    return bool(settings.values(QUESTION)["res"])


def chosen_damping(result: Result) -> float:
    """The damping of the control, where the result has it: its key in the cache leaves the usual stops out."""
    wanted = float(settings.values(QUESTION)["damp"])
    if "dampings" not in result.tables:
        return wanted
    known = result.tables["dampings"]["damping"]
    return wanted if (known == wanted).any() else float(spectrum_words.spec_of(result).damping)


def pictures(result: Result) -> list[Picture]:
    return pictures_of(result, page.is_dark(), residual_on(), chosen_damping(result))


def draw(result: Result) -> None:
    """Sentence and pictures, two side by side; also drawn from partial results while networks are being measured."""
    st.markdown(spectrum_words.finding(result, chosen_damping(result)))
    made = pictures(result)
    for row in range(0, len(made), 2):
        pair: Sequence[Picture] = made[row : row + 2]
        for place, picture in zip(st.columns(2), pair, strict=False):
            with place:
                show_chart(picture.chart, f"spectrum-{picture.key}", picture.text, heading=picture.title)
                if picture.below:
                    st.caption(picture.below)


def details(result: Result) -> None:
    """Below the pictures: what they mean, validity, verdicts, files and tables."""
    st.caption(spectrum_captions.caption(result, residual_on()))
    spec = spectrum_words.spec_of(result)
    if spec.view in ("width", "inputs"):
        for sentence in spectrum_captions.validity(result):
            st.caption(f":material/info: {sentence}")
    if spec.view == "density" and spec.centred and not centring_applies(spec):
        st.caption(":material/info: Centring is about regression with the exact estimator; it is not shown here.")
    if spec.view == "step" and spec.estimator != "exact":
        st.caption(
            ":material/info: Descent follows the exact matrix, whatever the estimator; λ_max here is that of the exact one."
        )
    for sentence in spectrum_captions.verdict_lines(result.verdicts):
        st.markdown(f"- {sentence}")
    made = pictures(result)
    with st.container(horizontal=True, vertical_alignment="center"):
        for picture in made:
            label = f"Export {picture.title[0].lower()}{picture.title[1:]}"
            picture_menu(result, picture.table, picture.key, picture.title, picture.chart, picture.text, label)
    for name in dict.fromkeys([*FIRST_TABLES.get(spec.view, ()), *(picture.table for picture in made)]):
        page.as_table(f"spectrum-{name}", result.tables[name], label=TABLES[name])


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("How large is the largest eigenvalue?")
page.link_notices()
controls.view_controls(QUESTION, "view", label=False)
controls.view_controls(QUESTION, *CONTROLS[spec.view])
found = jobs.compute(QUESTION, spec, draw=draw, ignore=spec.ignored)
running = (QUESTION, "run") in jobs.session_jobs().watched
if isinstance(found, Result) and not running:
    details(found)
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("No bias: nothing stands out", {"view": "density", "act": "tanh", "sb2": 0.0, "out": "regression", "k": 1}),
        ("Five classes: four stand out", {"view": "density", "out": "softmax", "k": 5, "sb2": 0.1}),
        ("Centre the outputs", {"view": "density", "out": "regression", "k": 1, "sb2": 0.1, "hkh": True}),
        ("How large a step?", {"view": "step"}),
    ],
)
st.page_link("views/train.py", label="Does the geometry help?", icon=":material/arrow_forward:")
