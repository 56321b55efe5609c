"""Copy link: the browser's own address to the clipboard, with a visible and spoken confirmation; and keys for the whole page.

L copies the link, / goes to the width, ? lists the keys. A shortcut of Streamlit's own can press a button, but not move the focus.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_HTML = """
<div class="own-controls copy">
  <span class="said" role="status" aria-live="polite"></span>
  <button type="button" title="Copy the address of exactly this picture (key L)">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M10 14a4 4 0 0 0 6 .4l3-3a4.2 4.2 0 0 0-6-6l-1.4 1.4"/>
    <path d="M14 10a4 4 0 0 0-6-.4l-3 3a4.2 4.2 0 0 0 6 6l1.4-1.4"/></svg>
    <span>Copy link</span>
  </button>
  <button type="button" class="keys" title="Keys (key ?)" aria-label="Keys" aria-haspopup="dialog">?</button>
  <dialog aria-label="Keys">
    <form method="dialog"><strong>Keys</strong> <button>Close</button></form>
    <dl>__KEYS__</dl>
  </dialog>
</div>
"""

KEYS = {
    "/": "Go to the width",
    "L": "Copy the link",
    "?": "This list",
    "← →": "Change the slider in focus; on a matrix move, with Shift ten at a time",
    "Enter, Esc": "On a matrix: into a block, and out again",
    "P, D": "On a matrix: pin the entry, show the difference",
    "+, −, 0": "On a matrix: closer, farther, all of it",
    "T, S": "On Train: play or pause, one step",
}
_LIST = "".join(f"<dt>{key}</dt><dd>{what}</dd>" for key, what in KEYS.items())

_CSS = """
.copy { display: flex; align-items: center; justify-content: flex-end; gap: 10px; }
.copy button { display: inline-flex; align-items: center; gap: 6px; }
.copy .said { font-size: 0.875rem; color: var(--quiet); }
.copy input { position: fixed; top: -100px; }
.copy .keys { padding: 0; width: 32px; justify-content: center; }
.copy dialog { max-width: min(440px, 90vw); border: 1px solid var(--line); border-radius: var(--st-base-radius, 8px);
  background: var(--st-background-color); color: inherit; }
.copy form { display: flex; align-items: center; justify-content: space-between; gap: 24px; }
.copy dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 16px; margin: 12px 0 0; font-size: 0.875rem; }
.copy dt { font-weight: 600; white-space: nowrap; }
.copy dd { margin: 0; }
@media (max-width: 640px) {
  .copy > button span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .copy > button { width: 36px; padding: 0; justify-content: center; }
  .copy .keys { display: none; }
}
"""

_JS = """
const links = new WeakMap();

async function copy(text, root) {
  // The clipboard exists on https and on this machine; elsewhere a selected field is copied the old way.
  if (navigator.clipboard && window.isSecureContext) {
    try { await navigator.clipboard.writeText(text); return true; } catch (error) { /* not allowed: try the other way */ }
  }
  const field = document.createElement("input");
  field.value = text;
  root.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

export default function (component) {
  const root = component.parentElement.querySelector(".copy");
  const button = root.querySelector("button"), said = root.querySelector(".said");
  const go = async () => {
    const done = await copy(window.location.href, root);
    said.textContent = done ? "Copied" : "Copy it from the address bar";
    root.dataset.copied = done ? window.location.href : "";
    clearTimeout(links.get(root));
    links.set(root, setTimeout(() => { said.textContent = ""; }, 2500));
  };
  const list = root.querySelector("dialog");
  const show = () => { if (!list.open) list.showModal(); };
  // A sweep over widths has no width of its own: its narrowest one.
  const width = () => document.querySelector(".st-key-n, .st-key-w0")?.querySelector("[role=slider], input[type=range]")?.focus();
  const keys = { l: go, "/": width, "?": show };
  const typed = (event) => {
    const at = event.composedPath()[0];
    const typing = at instanceof HTMLElement && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName));
    const slider = at instanceof HTMLInputElement && at.type === "range";
    const act = keys[event.key.toLowerCase()];
    if (!act || list.open || event.ctrlKey || event.metaKey || event.altKey || (typing && !slider)) return;
    event.preventDefault();
    act();
  };
  button.onclick = go;
  root.querySelector(".keys").onclick = show;
  document.addEventListener("keydown", typed);
  return () => document.removeEventListener("keydown", typed);
}
"""

_component = st.components.v2.component(
    "fimcore_copy_link",
    html=_HTML.replace("__KEYS__", _LIST),
    css=(Path(__file__).with_name("component_style.css").read_text(encoding="utf-8") + _CSS),
    js=_JS,
)


def copy_link() -> None:
    """The button in the page's header."""
    _component(key="copy-link", width="content")
