// The page around the canvases: titles, layer labels, colour bars, breadcrumb. Text always through textContent.

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// Keep the canvases that are already there: focus and pointer survive a change of the data.
function buildPanels(root, frame) {
  const place = root.querySelector(".panels");
  while (place.children.length > frame.panels.length) place.lastElementChild.remove();
  while (place.children.length < frame.panels.length) {
    const panel = make("div", "panel"), plot = make("div", "plot"), box = make("div", "box");
    const pixels = make("canvas", "px"), above = make("canvas", "ov");
    pixels.tabIndex = 0;
    pixels.setAttribute("role", "application");
    pixels.setAttribute("aria-roledescription", "matrix");
    pixels.setAttribute("aria-describedby", "keys");
    above.setAttribute("aria-hidden", "true");
    box.append(pixels, above);
    for (const side of ["top", "left"]) {
      const gutter = make("div", side);
      gutter.setAttribute("aria-hidden", "true");
      plot.append(gutter);
    }
    plot.append(box);
    panel.append(make("p", "title"), plot, make("div", "own"));
    place.append(panel);
  }
  return [...place.children];
}

function fillPanels(root, frame, head) {
  const rows = frame.rows.names.length, columns = frame.columns.names.length;
  const aspect = clamp(columns / rows, 0.5, 2), place = root.querySelector(".panels");
  const labelled = frame.rows.labels.length + frame.columns.labels.length > 0, gutter = labelled ? 28 : 0;
  place.style.setProperty("--count", frame.panels.length);
  place.style.setProperty("--widest", `${Math.round(560 * Math.min(1, aspect)) + gutter}px`);
  buildPanels(root, frame).forEach((element, i) => {
    const panel = frame.panels[i];
    element.classList.toggle("labelled", labelled);
    element.querySelector(".title").textContent = panel.title;
    element.querySelector(".box").style.aspectRatio = String(aspect);
    element.querySelector(".px").setAttribute("aria-label", panel.alt || panel.title);
    element.querySelector(".own").replaceChildren(...(frame.shared ? [] : [colourBar(panel, head)]));
  });
  root.querySelector(".legend").classList.toggle("labelled", labelled);
  root.querySelector(".bars").replaceChildren(...(frame.shared ? [colourBar(frame.panels[0], head)] : []));
  root.querySelector(".words").textContent = [frame.words, frame.note].filter(Boolean).join(". ");
}

function colourBar(panel, head) {
  const bar = make("div", "bar"), ramp = make("div", "ramp"), ticks = make("div", "ticks");
  const stops = [], first = 2, last = head.signed ? 254 : 255;
  for (let i = 0; i <= 24; i++) {
    const at = 3 * Math.round(first + ((last - first) * i) / 24);
    stops.push(`rgb(${head.rgb[at]},${head.rgb[at + 1]},${head.rgb[at + 2]})`);
  }
  ramp.style.background = `linear-gradient(90deg, ${stops.join(",")})`;
  ramp.setAttribute("aria-hidden", "true");
  for (const [position, label] of panel.ticks) {
    const tick = make("span", position === 0 ? "first" : position === 1 ? "last" : "", label);
    tick.style.left = `${100 * position}%`;
    ticks.append(tick);
  }
  bar.append(ramp, ticks);
  return bar;
}

// Layer labels follow the zoom; the first says "layer", the others only their number, and none may touch another.
function placeLabels(element, frame, view) {
  const box = element.querySelector(".box");
  const fill = (gutter, axis, start, length, property, tall) => {
    const spans = axis.labels.map((label, i) => {
      const from = clamp((axis.edges[i] / axis.names.length - start) / view.size, 0, 1);
      const to = clamp((axis.edges[i + 1] / axis.names.length - start) / view.size, 0, 1);
      return { label, from, to, size: to - from };
    }).filter((span) => span.size > 0);
    const taken = [], shown = [];
    spans.forEach((span, i) => (span.text = i === 0 && !tall && span.size * length > 60 ? `layer ${span.label}` : span.label));
    for (const span of [...spans].sort((a, b) => b.size - a.size)) {
      const middle = ((span.from + span.to) / 2) * length, half = tall ? 8 : span.text.length * 3.2 + 3;
      if (taken.some(([low, high]) => middle - half < high && middle + half > low)) continue;
      taken.push([middle - half, middle + half]);
      const mark = make("span", "", span.text);
      mark.style[property] = `${middle}px`;
      shown.push(mark);
    }
    gutter.replaceChildren(...shown);
  };
  fill(element.querySelector(".top"), frame.columns, view.x, box.clientWidth, "left", false);
  fill(element.querySelector(".left"), frame.rows, view.y, box.clientHeight, "top", true);
}

function fillBreadcrumb(root, names, rise) {
  root.querySelector(".crumbs").replaceChildren(...names.map((name, level) => {
    const item = make("li"), button = make("button", "", name);
    button.type = "button";
    if (level === names.length - 1) button.setAttribute("aria-current", "true");
    else button.onclick = () => rise(level);
    item.append(button);
    return item;
  }));
}
