"""Groups of pages in the phone's menu: Streamlit puts them into a list as plain boxes, which readers of a screen trip over.

Where a list holds anything but items, it and its items are made plain boxes as well; the links inside stay what they are.
"""

from __future__ import annotations

import streamlit as st

_JS = """
export default function () {
  const plain = () => {
    for (const list of document.querySelectorAll("[data-testid=stSidebarNavItems]:not([role])")) {
      if ([...list.children].every((child) => child.tagName === "LI")) continue;
      list.setAttribute("role", "presentation");
      for (const item of list.querySelectorAll("li")) item.setAttribute("role", "presentation");
    }
  };
  plain();
  const watcher = new MutationObserver(plain);
  watcher.observe(document.body, { childList: true, subtree: true });
  return () => watcher.disconnect();
}
"""

_component = st.components.v2.component("fimcore_menu_lists", html="<span hidden></span>", js=_JS)


def mend() -> None:
    """Keep the menu readable for as long as a page is open."""
    _component(key="menu-lists", width="content", height="content")
