// The film follows the matrix view: it watches which frame is painted, and marks the same moment in charts of the page.

const SVG = "http://www.w3.org/2000/svg";
const LOOK_AGAIN_MS = 250;
const mounted = new WeakMap();

function deep(root, selector) {
  const found = root.querySelector(selector);
  if (found) return found;
  for (const element of root.querySelectorAll("*")) {
    const inside = element.shadowRoot && deep(element.shadowRoot, selector);
    if (inside) return inside;
  }
  return null;
}

export default function (component) {
  const { data, parentElement } = component;
  const output = parentElement.querySelector(".film");
  if (!output || !data) return;
  mounted.get(parentElement)?.abort();
  const abort = new AbortController(), signal = abort.signal, heard = new Set();
  mounted.set(parentElement, abort);
  const last = data.texts.length - 1;
  let watched = null, index = last;

  const plotOf = (key) => {
    const plot = document.querySelector(`.st-key-${CSS.escape(key)} .js-plotly-plot`);
    if (!plot?._fullLayout?.xaxis?.d2p || !plot._fullData || !plot.querySelector(".main-svg")) return null;
    if (!heard.has(plot) && plot.on) {
      heard.add(plot);
      plot.on("plotly_afterplot", draw);
    }
    return plot;
  };
  const set = (element, values) => {
    for (const [name, value] of Object.entries(values))
      if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  };
  const cursor = (plot, place) => {
    const { xaxis, yaxis } = plot._fullLayout, svg = plot.querySelector(".main-svg");
    let line = svg.querySelector(".film-cursor");
    if (!line) {
      line = document.createElementNS(SVG, "line");
      line.classList.add("film-cursor");
      svg.append(line);
    }
    const x = Math.round(xaxis._offset + xaxis.d2p(place)), inside = x >= xaxis._offset - 1 && x <= xaxis._offset + xaxis._length + 1;
    set(line, { x1: x, x2: x, y1: yaxis._offset, y2: yaxis._offset + yaxis._length, stroke: data.colour, "stroke-width": 1.5,
      opacity: Number.isFinite(x) && inside ? 0.8 : 0, "pointer-events": "none" });
  };
  const front = (plot, traces) => {
    const chosen = traces[index];
    new Set(traces).forEach((trace) => {
      const group = plot.querySelector(`.scatterlayer .trace${CSS.escape(plot._fullData[trace]?.uid ?? "none")}`);
      const path = group?.querySelector(".js-line");
      if (!path) return;
      path.style.stroke = trace === chosen ? data.colour : path.dataset.own ?? path.style.stroke;
      path.style.strokeWidth = trace === chosen ? "3px" : path.dataset.width ?? path.style.strokeWidth;
      group.style.opacity = trace === chosen ? "1" : "";
    });
  };
  // What a line looks like when it is not in front; drawn anew by Plotly, it looks so again.
  const remember = (plot, traces) => new Set(traces).forEach((trace) => {
    const path = plot.querySelector(`.scatterlayer .trace${CSS.escape(plot._fullData[trace]?.uid ?? "none")} .js-line`);
    const line = plot._fullData[trace]?.line;
    if (path && line) Object.assign(path.dataset, { own: line.color, width: `${line.width}px` });
  });
  function draw() {
    if (signal.aborted) return;
    for (const [key, places] of Object.entries(data.cursors)) {
      const plot = plotOf(key);
      if (plot) cursor(plot, places[index]);
    }
    for (const [key, traces] of Object.entries(data.lines)) {
      const plot = plotOf(key);
      if (!plot) continue;
      remember(plot, traces);
      front(plot, traces);
    }
  }
  const show = () => {
    const frame = Number(watched?.dataset.frame);
    index = watched?.dataset.frame && frame >= 0 && frame <= last ? frame : last;
    output.replaceChildren(...(data.texts[index] ?? []).map(([name, value]) => {
      const item = document.createElement("span"), bold = document.createElement("b");
      bold.textContent = value;
      item.append(`${name} `, bold);
      return item;
    }));
    output.dataset.frame = index;
    draw();
  };
  const observer = new MutationObserver(show);
  // The matrix view and the charts may come later than the film, and may be replaced.
  const look = () => {
    const place = document.querySelector(`.st-key-${CSS.escape(data.matrix)}`), found = place && deep(place, ".mv");
    if (found && found !== watched) {
      watched = found;
      observer.disconnect();
      observer.observe(found, { attributes: true, attributeFilter: ["data-frame", "data-mounts"] });
      show();
    } else draw();
    // A frame of a film has no settings to pin a cell to.
    const acts = found?.querySelector(".acts");
    if (acts) acts.hidden = true;
  };
  const timer = setInterval(look, LOOK_AGAIN_MS);
  look();
  show();
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    observer.disconnect();
    for (const plot of heard) {
      plot.removeListener?.("plotly_afterplot", draw);
      plot.querySelectorAll(".film-cursor").forEach((line) => line.remove());
    }
  });
  return () => abort.abort();
}
