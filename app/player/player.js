// The playback bar. Position and speed are remembered by element, so that they survive a change of the page's data.

const WHOLE_RUN_MS = 8000;
const memory = new WeakMap();

function typing(event) {
  const target = event.composedPath()[0];
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("textarea, select, input:not([type=range], [type=checkbox], [type=radio])"));
}

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".pl");
  if (!root || !data) return;
  const state = memory.get(parentElement) ?? { index: null, playing: false, speed: 1 };
  memory.set(parentElement, state);
  state.abort?.abort();
  const abort = (state.abort = new AbortController()), signal = abort.signal, $ = (selector) => root.querySelector(selector);
  const last = data.steps.length - 1, slider = $("#step"), speed = $(".speed");
  // null: everything revealed, whatever the number of steps.
  if (state.index !== null && state.index >= last) state.index = null;
  let request = 0, waiting = 0;

  const at = () => state.index ?? last;
  const draw = () => lower(at(), last);
  const drawSoon = () => {
    if (waiting || signal.aborted) return;
    waiting = requestAnimationFrame(() => {
      waiting = 0;
      if (!signal.aborted) draw();
    });
  };
  const lower = makeCurtain(data.charts, drawSoon, signal);
  const show = (index) => {
    state.index = index >= last ? null : Math.max(0, index);
    const step = data.steps[at()];
    slider.value = String(at());
    slider.style.setProperty("--part", `${last ? (100 * at()) / last : 100}%`);
    slider.setAttribute("aria-valuetext", `${data.unit.toLowerCase()} ${step} of ${data.steps[last]}`);
    $(".number").textContent = `${step} of ${data.steps[last]}`;
    $(".read").replaceChildren(...data.series.map((series) => {
      const item = document.createElement("span"), value = document.createElement("b");
      value.textContent = series.texts[at()];
      item.append(`${series.name}: ${data.quantity} `, value);
      return item;
    }));
    root.dataset.step = step;
    root.dataset.index = at();
    draw();
  };
  const setPlaying = (playing) => {
    state.playing = playing;
    root.classList.toggle("playing", playing);
    root.dataset.playing = String(playing);
    $(".play").setAttribute("aria-label", playing ? "Pause" : "Play");
    cancelAnimationFrame(request);
    if (!playing) return;
    let from = performance.now(), begun = at();
    const advance = (now) => {
      if (signal.aborted) return;
      const index = begun + Math.floor(((now - from) / WHOLE_RUN_MS) * state.speed * Math.max(last, 40));
      if (index !== at()) show(index);
      if (index >= last) setPlaying(false);
      else request = requestAnimationFrame(advance);
    };
    speed.onchange = () => {
      [from, begun, state.speed] = [performance.now(), at(), Number(speed.value)];
    };
    request = requestAnimationFrame(advance);
  };
  const toggle = () => {
    if (!state.playing && at() === last) show(0);
    setPlaying(!state.playing);
  };
  const step = (by) => {
    setPlaying(false);
    show(Math.min(last, at() + by));
  };

  const on = (target, event, listener) => target.addEventListener(event, listener, { signal });
  $(".unit").textContent = data.unit;
  slider.max = String(last);
  speed.value = String(state.speed);
  speed.onchange = () => (state.speed = Number(speed.value));
  on(slider, "input", () => {
    setPlaying(false);
    show(Number(slider.value));
  });
  on($(".play"), "click", toggle);
  on($(".back"), "click", () => step(-1));
  on($(".forward"), "click", () => step(1));
  on($(".reset"), "click", () => {
    setPlaying(false);
    show(0);
  });
  on(window, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event)) return;
    if (event.key === "t" || event.key === "T") toggle();
    else if (event.key === "s" || event.key === "S") step(1);
  });
  // A chart that is drawn anew comes without a curtain.
  const watcher = new MutationObserver((changes) => {
    if (changes.some((change) => [...change.addedNodes].some((node) => node.nodeType === 1 && (node.matches?.(".js-plotly-plot, .trace, .main-svg") || node.querySelector?.(".js-plotly-plot, .trace"))))) drawSoon();
  });
  watcher.observe(document.querySelector("[data-testid=stMain]") ?? document.body, { childList: true, subtree: true });
  on(signal, "abort", () => {
    watcher.disconnect();
    cancelAnimationFrame(request);
    cancelAnimationFrame(waiting);
  });
  show(at());
  setPlaying(state.playing && at() < last);
  return () => abort.abort();
}
