// A curtain over the lines of Plotly charts: each trace is clipped at its own x position, in the chart's own pixels.

const SVG = "http://www.w3.org/2000/svg";
let curtains = 0;

function makeCurtain(charts, onDrawn, signal) {
  const own = `curtain${(curtains += 1)}`, heard = new Set();
  const plotOf = (key) => document.querySelector(`.st-key-${CSS.escape(key)} .js-plotly-plot`);

  // The rectangle lives in the plot's own definitions, so that it dies with the plot.
  const rectangle = (plot, id) => {
    const old = plot.querySelector(`#${id} rect`);
    if (old) return old;
    const clip = document.createElementNS(SVG, "clipPath"), rect = document.createElementNS(SVG, "rect");
    clip.id = id;
    clip.append(rect);
    plot.querySelector(".main-svg defs").append(clip);
    return rect;
  };
  const set = (element, name, value) => element.getAttribute(name) !== String(value) && element.setAttribute(name, value);

  const lower = (index, last) => {
    charts.forEach((chart, c) => {
      const plot = plotOf(chart.key), layout = plot?._fullLayout;
      if (!layout?.xaxis?.d2p || !plot._fullData || !plot.querySelector(".main-svg defs")) return;
      if (!heard.has(plot) && plot.on) {
        heard.add(plot);
        plot.on("plotly_afterplot", onDrawn);
      }
      plot._fullData.forEach((trace, i) => {
        const group = plot.querySelector(`.scatterlayer .trace${CSS.escape(trace.uid)}`), x = chart.x[i];
        if (!group || !x) return;
        if (index >= last) {
          if (group.style.clipPath) group.style.clipPath = "";
          return;
        }
        // The last known position, where this run has none at this step.
        let known = index;
        while (known >= 0 && x[known] === null) known -= 1;
        const axis = layout[`xaxis${(trace.xaxis ?? "x").slice(1)}`] ?? layout.xaxis;
        const edge = known < 0 ? NaN : axis.d2p(x[known]), id = `${own}-${c}-${i}`, rect = rectangle(plot, id);
        set(rect, "x", -50);
        set(rect, "y", -50);
        set(rect, "height", layout.height + 100);
        set(rect, "width", Number.isFinite(edge) ? Math.max(0, Math.round(edge) + 52) : 0);
        const wanted = `url("#${id}")`;
        if (group.style.clipPath !== wanted) group.style.clipPath = wanted;
      });
    });
  };

  const raise = () => {
    for (const plot of heard) {
      plot.removeListener?.("plotly_afterplot", onDrawn);
      plot.querySelectorAll(".scatterlayer .trace").forEach((group) => (group.style.clipPath = ""));
      plot.querySelectorAll(`clipPath[id^="${own}-"]`).forEach((clip) => clip.remove());
    }
    heard.clear();
  };
  signal.addEventListener("abort", raise);
  return lower;
}
