// Mounting: called again on every change of the data or the theme, on the same element. What must survive a change
// (cursor, zoom, place in the sweep) is remembered by element.

const WHOLE = { x: 0, y: 0, size: 1 };
const memory = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".mv");
  if (!root || !data) return;
  const state = memory.get(parentElement) ?? { u: 0, v: 0, chosen: false, shown: false, view: WHOLE, mounts: 0, sweep: null };
  memory.set(parentElement, state);
  state.abort?.abort();
  const abort = (state.abort = new AbortController());
  state.mounts += 1;
  const head = decodePayload(data), send = setTriggerValue, $ = (selector) => root.querySelector(selector);
  // A dive or a rise changes what the matrix is: show all of the new one.
  const level = head.breadcrumb.join("\u0000");
  if (state.level !== undefined && state.level !== level) state.view = WHOLE;
  state.level = level;
  const heard = new Set();
  let pinned = head.pin;

  const view = {
    state, send, signal: abort.signal, offSettings: () => "",
    frame: () => head.frames[head.sweep ? head.sweep.order[state.sweep.index] : 0],
    cell: () => ({ ...cellOf(state, view.frame()), tick: view.frame().tick, frame: head.sweep ? state.sweep.index : null }),
    onSettings: () => view.frame() === head.frames[0],
    show() {
      const frame = view.frame(), off = view.offSettings();
      fillPanels(root, frame, head);
      $(".caption").textContent = [frame.caption, off].filter(Boolean).join(" · ");
      $(".caption").classList.toggle("off", Boolean(off));
      for (const canvas of root.querySelectorAll(".px")) {
        if (heard.has(canvas)) continue;
        heard.add(canvas);
        listenToCanvas(canvas, view);
      }
      view.paint();
      if (state.chosen) view.read();
    },
    paint() {
      const frame = view.frame(), style = styleOf(root), finest = Math.max(frame.rows.names.length, frame.columns.names.length);
      root.querySelectorAll(".panel").forEach((element, i) => {
        paintCells(element.querySelector(".px"), frame, frame.panels[i], state.view, head, style);
        placeLabels(element, frame, state.view);
      });
      view.drawOverlays();
      root.classList.toggle("zoomed", state.view.size < 1);
      for (const name of [".out", ".fit"]) $(name).disabled = state.view.size >= 1;
      $(".in").disabled = state.view.size <= Math.min(1, 4 / finest);
      Object.assign(root.dataset, { tick: frame.tick, frame: head.sweep ? state.sweep.index : "", mounts: state.mounts,
        zoom: Number((1 / state.view.size).toFixed(2)) });
    },
    drawOverlays() {
      const frame = view.frame(), style = styleOf(root), cursor = state.shown && state.chosen ? cellOf(state, frame) : null;
      const pin = pinned && view.onSettings() ? pinned : null;
      root.querySelectorAll(".ov").forEach((canvas) => paintOverlay(canvas, frame, state.view, cursor, pin, style));
      root.dataset.crosshair = String(Boolean(cursor));
    },
    read() {
      const frame = view.frame(), { row, column } = cellOf(state, frame), at = row * frame.columns.names.length + column;
      const first = frame.rows.names[row], second = frame.columns.names[column];
      const values = frame.panels.map((panel) => `${panel.name} ${valueText(panel.codes[at], panel, head)}`);
      const who = make("span", "who", `${first === second ? `${first} with itself` : `${first} with ${second}`}: `);
      $(".read").replaceChildren(who, make("span", "", values.join(", ")));
      Object.assign(root.dataset, { row, column });
      root.classList.add("chosen");
      $(".acts .pin").disabled = false;
      $(".acts .dive").disabled = !head.canDive;
      view.drawOverlays();
    },
    setView(wanted) {
      const frame = view.frame(), finest = Math.max(frame.rows.names.length, frame.columns.names.length);
      const size = clamp(wanted.size, Math.min(1, 4 / finest), 1);
      state.view = { size, x: clamp(wanted.x, 0, 1 - size), y: clamp(wanted.y, 0, 1 - size) };
      view.paint();
    },
    zoomAt(u, v, factor) {
      const old = state.view, size = clamp(old.size / factor, 1e-4, 1), ratio = size / old.size;
      view.setView({ size, x: u - (u - old.x) * ratio, y: v - (v - old.y) * ratio });
    },
    zoomCursor(factor) {
      const { x, y, size } = state.view;
      view.zoomAt(state.chosen ? state.u : x + size / 2, state.chosen ? state.v : y + size / 2, factor);
      if (state.chosen) view.follow();
    },
    // Keep the cursor inside a zoomed view.
    follow() {
      const { x, y, size } = state.view, edge = size * 0.08;
      if (size >= 1) return;
      view.setView({ size, x: clamp(x, state.u + edge - size, state.u - edge), y: clamp(y, state.v + edge - size, state.v - edge) });
    },
    pin() {
      if (!state.chosen) return;
      pinned = { ...cellOf(state, view.frame()), text: "" };
      view.drawOverlays();
      send("pin", view.cell());
    },
    dive() {
      if (!state.chosen) return;
      if (head.canDive) send("dive", view.cell());
      else view.zoomCursor(2);
    },
    rise(level = head.breadcrumb.length - 2) {
      if (level >= 0) send("rise", { level });
      else view.setView(WHOLE);
    },
    difference() {
      const shown = head.difference ?? head.frames[0].panels.length > 2;
      send("difference", { shown: !shown });
    },
  };

  root.style.colorScheme = head.dark ? "dark" : "light";
  fillBreadcrumb(root, head.breadcrumb, view.rise);
  const toggle = $(".difference"), on = (selector, listener) => $(selector).addEventListener("click", listener, { signal: view.signal });
  toggle.hidden = head.difference === null;
  toggle.setAttribute("aria-pressed", String(head.difference === true));
  on(".difference", view.difference);
  on(".in", () => view.zoomCursor(2));
  on(".out", () => view.zoomCursor(0.5));
  on(".fit", () => view.setView(WHOLE));
  on(".acts .pin", view.pin);
  on(".acts .dive", view.dive);
  $(".acts .dive").hidden = !head.canDive;
  $(".pinned").hidden = !head.pin?.text;
  $(".pinned").textContent = head.pin?.text ? `Pinned: ${head.pin.text}` : "";

  mountSweep(root, head, state, view);
  if (!head.sweep) view.show();
  const resized = new ResizeObserver(() => view.paint());
  resized.observe($(".panels"));
  view.signal.addEventListener("abort", () => resized.disconnect());
  return () => abort.abort();
}
