"""Taps on a chart that can be clicked: Plotly selects what was last hovered, and a finger hovers nothing before it taps."""

from __future__ import annotations

import streamlit as st

_JS = """
export default function (component) {
  const { charts } = component.data;
  // Just before Plotly takes the tap, the pointer is where the finger is.
  const touched = (event) => {
    const area = event.target, finger = event.touches[0];
    if (!(area instanceof Element) || !area.classList.contains("nsewdrag") || !area.closest(`.st-key-${charts}`)) return;
    area.dispatchEvent(
      new MouseEvent("mousemove", { bubbles: true, clientX: finger.clientX, clientY: finger.clientY })
    );
  };
  document.addEventListener("touchstart", touched, { capture: true, passive: true });
  return () => document.removeEventListener("touchstart", touched, { capture: true });
}
"""

_component = st.components.v2.component("fimcore_tap_points", html="<span hidden></span>", js=_JS)


def tap_points(charts: str) -> None:
    """Make the charts in the container with this key answer to taps as they do to clicks."""
    _component(key=f"tap-{charts}", data={"charts": charts}, width="content", height="content")
