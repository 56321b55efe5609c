// Pointer and keys on the canvases. `view` is the mounted view (see matrix_view.js); it owns state and painting.

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
// A click waits this long for a second one, so that looking inside does not also pin.
const DOUBLE_CLICK_MS = 260;

function listenToCanvas(canvas, view) {
  const { state, signal } = view, on = (name, listener, options) => canvas.addEventListener(name, listener, { signal, ...options });
  const spotOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return { u: state.view.x + ((event.clientX - box.left) / box.width) * state.view.size,
      v: state.view.y + ((event.clientY - box.top) / box.height) * state.view.size };
  };
  const pointAt = (event) => {
    const spot = spotOf(event), frame = view.frame();
    putCursor(state, frame, Math.floor(spot.v * frame.rows.names.length), Math.floor(spot.u * frame.columns.names.length));
    state.shown = true;
    view.read();
  };
  let held = null, panned = false, waiting = 0, touched = false, lastTap = "";

  on("pointerdown", (event) => {
    touched = event.pointerType === "touch";
    panned = false;
    held = state.view.size < 1 ? { x: event.clientX, y: event.clientY, view: { ...state.view } } : null;
  });
  on("pointermove", (event) => {
    if (held && event.buttons) {
      const box = canvas.getBoundingClientRect(), dx = event.clientX - held.x, dy = event.clientY - held.y;
      if (!panned && Math.hypot(dx, dy) < 4) return;
      if (!panned) canvas.setPointerCapture(event.pointerId);
      panned = true;
      view.setView({ x: held.view.x - (dx / box.width) * held.view.size, y: held.view.y - (dy / box.height) * held.view.size, size: held.view.size });
    } else if (event.pointerType !== "touch" || event.buttons) pointAt(event);
  });
  for (const name of ["pointerup", "pointercancel"]) on(name, () => (held = null));
  on("pointerleave", () => {
    if (touched) return;
    state.shown = canvas.matches(":focus-visible");
    view.drawOverlays();
  });
  on("focus", () => {
    if (!canvas.matches(":focus-visible")) return;
    state.shown = state.chosen = true;
    view.read();
  });
  on("blur", () => {
    state.shown = false;
    view.drawOverlays();
  });
  on("click", (event) => {
    if (panned) return;
    pointAt(event);
    if (touched) {
      const cell = cellOf(state, view.frame()), tap = `${view.frame().tick} ${cell.row} ${cell.column}`;
      if (tap === lastTap) view.pin();
      lastTap = tap;
      return;
    }
    clearTimeout(waiting);
    if (event.detail < 2) waiting = setTimeout(() => !signal.aborted && view.pin(), DOUBLE_CLICK_MS);
  });
  on("dblclick", (event) => {
    if (touched || panned) return;
    clearTimeout(waiting);
    pointAt(event);
    view.dive();
  });
  on("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const spot = spotOf(event);
    view.zoomAt(spot.u, spot.v, Math.exp(-event.deltaY * 0.01));
  }, { passive: false });
  on("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !press(event, view)) return;
    event.preventDefault();
    event.stopPropagation();
  });
}

// Returns whether the key means something here.
function press(event, view) {
  const { state } = view, frame = view.frame(), { row, column } = cellOf(state, frame);
  const go = (toRow, toColumn) => {
    putCursor(state, frame, toRow, toColumn);
    state.shown = true;
    view.follow();
    view.read();
    return true;
  };
  const move = MOVES[event.key], far = event.shiftKey ? 10 : 1;
  if (move) return go(row + far * move[0], column + far * move[1]);
  switch (event.key) {
    case "Home": return go(row, 0);
    case "End": return go(row, Infinity);
    case "PageUp": return go(0, column);
    case "PageDown": return go(Infinity, column);
    case "Enter": view.dive(); return true;
    case "Escape": view.rise(); return true;
    case "p": case "P": view.pin(); return true;
    case "d": case "D": view.difference(); return true;
    case "+": case "=": view.zoomCursor(2); return true;
    case "-": view.zoomCursor(0.5); return true;
    case "0": view.setView({ x: 0, y: 0, size: 1 }); return true;
    default: return false;
  }
}
