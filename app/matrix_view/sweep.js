// The sweep: frames computed ahead, scrubbed and played in the page. Nothing is sent while dragging or playing.

const COMMIT_MS = 200;

function mountSweep(root, head, state, view) {
  const sweep = head.sweep, bar = root.querySelector(".sweep");
  bar.hidden = !sweep;
  if (!sweep) {
    state.sweep = null;
    root.classList.remove("playing");
    return;
  }
  const known = state.sweep, same = known && known.id === sweep.label + "\u0000" + sweep.positions.join("\u0000");
  if (!same || known.current !== sweep.current)
    state.sweep = { id: sweep.label + "\u0000" + sweep.positions.join("\u0000"), index: sweep.current, current: sweep.current,
      playing: Boolean(same && known.playing), speed: known?.speed ?? 2, loop: known?.loop ?? false };
  const now = state.sweep, last = sweep.positions.length - 1;
  const slider = bar.querySelector("#position"), speed = bar.querySelector(".speed"), loop = bar.querySelector(".loop");
  let timer = 0, commit = 0;
  bar.setAttribute("aria-label", `${sweep.label}, precomputed`);
  slider.max = String(last);
  speed.value = String(now.speed);
  loop.checked = now.loop;
  const stops = sweep.positions.map((position, i) => {
    const mark = make("span", i === sweep.current ? "here" : "", position);
    mark.style.left = `${last ? (100 * i) / last : 0}%`;
    return mark;
  });
  // Many positions: only the ends and the current one, so that labels stay apart.
  bar.querySelector(".stops").replaceChildren(...stops.filter((_, i) => stops.length <= 12 || i === 0 || i === last));

  const name = (index) => `${sweep.label} ${sweep.positions[index]}`;
  const show = (index) => {
    now.index = index;
    slider.value = String(index);
    slider.style.setProperty("--part", `${last ? (100 * index) / last : 0}%`);
    slider.setAttribute("aria-valuetext", sweep.positions[index]);
    const label = bar.querySelector(".swept"), value = make("b", "", sweep.positions[index]);
    label.replaceChildren(`${sweep.label} `, value);
    view.show();
  };
  const send = () => {
    clearTimeout(commit);
    if (!sweep.trigger) return;
    commit = setTimeout(() => {
      if (!view.signal.aborted && now.index !== sweep.current)
        view.send("sweep", { index: now.index, position: sweep.positions[now.index] });
    }, COMMIT_MS);
  };
  const setPlaying = (playing) => {
    now.playing = playing;
    root.classList.toggle("playing", playing);
    root.dataset.playing = String(playing);
    bar.querySelector(".play").setAttribute("aria-label", playing ? "Pause" : "Play");
    clearTimeout(timer);
    if (playing) timer = setTimeout(advance, 1000 / now.speed);
  };
  const advance = () => {
    if (view.signal.aborted) return;
    if (now.index < last) show(now.index + 1);
    else if (now.loop) show(0);
    setPlaying(now.loop || now.index < last);
  };
  const on = (selector, event, listener) => bar.querySelector(selector).addEventListener(event, listener, { signal: view.signal });
  on("#position", "input", () => {
    setPlaying(false);
    show(Number(slider.value));
  });
  on("#position", "change", send);
  on(".play", "click", () => {
    if (!now.playing && now.index === last) show(0);
    setPlaying(!now.playing);
  });
  const step = (by) => () => {
    setPlaying(false);
    show(clamp(now.index + by, 0, last));
    send();
  };
  on(".back", "click", step(-1));
  on(".forward", "click", step(1));
  on(".speed", "change", () => (now.speed = Number(speed.value)));
  on(".loop", "change", () => (now.loop = loop.checked));
  view.signal.addEventListener("abort", () => [timer, commit].forEach(clearTimeout));
  view.offSettings = () => (now.index === sweep.current || !sweep.ofSettings ? "" : `A frame of the sweep; the settings say ${name(sweep.current)}.`);
  show(now.index);
  setPlaying(now.playing);
}
