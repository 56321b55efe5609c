// Drawing a panel: cells, structure lines, hatching and text on one canvas; cross-hair and pin on a second above it.
// A view {x, y, size} is the visible square in fractions of the matrix; {0, 0, 1} is the whole.

function bitmapOf(frame, panel, head) {
  if (panel.bitmap) return panel.bitmap;
  const canvas = document.createElement("canvas");
  canvas.width = frame.columns.names.length;
  canvas.height = frame.rows.names.length;
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer), codes = panel.codes, table = head.table;
  for (let i = 0; i < codes.length; i++) pixels[i] = table[codes[i]];
  context.putImageData(image, 0, 0);
  return (panel.bitmap = canvas);
}

function styleOf(root) {
  const css = getComputedStyle(root), read = (name) => css.getPropertyValue(name).trim();
  return { ink: css.color, paper: read("--st-background-color") || "#fff", accent: read("--st-primary-color") || css.color,
    font: css.fontFamily, ratio: Math.min(window.devicePixelRatio || 1, 3) };
}

function fitted(canvas, style) {
  const width = Math.max(1, Math.round(canvas.clientWidth * style.ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * style.ratio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

// Pixel positions of a cell edge along x and y in the present view.
function placing(frame, view, width, height) {
  const columns = frame.columns.names.length, rows = frame.rows.names.length;
  return { x: (edge) => ((edge / columns - view.x) / view.size) * width, y: (edge) => ((edge / rows - view.y) / view.size) * height };
}

function paintCells(canvas, frame, panel, view, head, style) {
  const { context, width, height } = fitted(canvas, style), bitmap = bitmapOf(frame, panel, head);
  const cell = { width: width / (bitmap.width * view.size), height: height / (bitmap.height * view.size) };
  // Smooth only when several cells share a pixel: nearest-neighbour would drop single lines.
  context.imageSmoothingEnabled = cell.width < 1 || cell.height < 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, view.x * bitmap.width, view.y * bitmap.height, view.size * bitmap.width,
    view.size * bitmap.height, 0, 0, width, height);
  const at = placing(frame, view, width, height), thin = Math.max(1, Math.round(style.ratio));
  const lines = (edgesX, edgesY, alpha) => {
    context.fillStyle = style.ink;
    context.globalAlpha = alpha;
    for (const edge of edgesX) context.fillRect(Math.round(at.x(edge) - thin / 2), 0, thin, height);
    for (const edge of edgesY) context.fillRect(0, Math.round(at.y(edge) - thin / 2), width, thin);
    context.globalAlpha = 1;
  };
  const inner = (axis) => axis.edges.slice(1, -1);
  // Pixels between the closest two unit lines: below 6 they are left out, and the closer they are the fainter.
  const apart = (axis, length) => {
    let least = Infinity;
    for (let i = 1; i < axis.units.length; i++) least = Math.min(least, axis.units[i] - axis.units[i - 1]);
    return ((least / axis.names.length / view.size) * length) / style.ratio;
  };
  const spacing = Math.min(apart(frame.columns, width), apart(frame.rows, height));
  paintDead(context, frame, at, width, height, style);
  if (spacing >= 6) lines(frame.columns.units, frame.rows.units, Math.min(0.13, spacing / 150));
  lines(inner(frame.columns), inner(frame.rows), 0.6);
  paintText(context, frame, panel, view, at, cell, head, style);
}

function paintDead(context, frame, at, width, height, style) {
  if (!frame.rows.dead.length && !frame.columns.dead.length) return;
  const tile = document.createElement("canvas"), side = Math.round(7 * style.ratio), pen = tile.getContext("2d");
  tile.width = tile.height = side;
  pen.strokeStyle = style.ink;
  pen.globalAlpha = 0.5;
  pen.lineWidth = style.ratio;
  pen.beginPath();
  for (const shift of [-side, 0, side]) {
    pen.moveTo(shift, side);
    pen.lineTo(shift + side, 0);
  }
  pen.stroke();
  context.fillStyle = context.createPattern(tile, "repeat");
  for (const [start, stop] of frame.columns.dead) context.fillRect(at.x(start), 0, at.x(stop) - at.x(start), height);
  for (const [start, stop] of frame.rows.dead) context.fillRect(0, at.y(start), width, at.y(stop) - at.y(start));
}

// The text given for each cell or, zoomed in far enough, the value of each cell.
function paintText(context, frame, panel, view, at, cell, head, style) {
  const size = Math.min((panel.text ? 15 : 13) * style.ratio, cell.height * 0.4), columns = frame.columns.names.length;
  if (size < 9 * style.ratio || (!panel.text && cell.width < 48 * style.ratio)) return;
  context.font = `600 ${size}px ${style.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const visible = (start, cells) => [Math.floor(start * cells), Math.min(cells, Math.ceil((start + view.size) * cells))];
  const [top, bottom] = visible(view.y, frame.rows.names.length), [left, right] = visible(view.x, columns);
  for (let row = top; row < bottom; row++)
    for (let column = left; column < right; column++) {
      const code = panel.codes[row * columns + column], rgb = head.rgb;
      const text = panel.text ? panel.text[row][column] : valueText(code, panel, head).replace(/^[=≈] /, "");
      if (!text || code === NO_VALUE || context.measureText(text).width > cell.width * 0.94) continue;
      const luminance = [0.2126, 0.7152, 0.0722].reduce((sum, weight, k) => sum + weight * (rgb[3 * code + k] / 255) ** 2.2, 0);
      // Whichever of black and white has the higher contrast.
      context.fillStyle = luminance > 0.2 ? "#10181f" : "#ffffff";
      context.fillText(text, (at.x(column) + at.x(column + 1)) / 2, (at.y(row) + at.y(row + 1)) / 2);
    }
}

function paintOverlay(canvas, frame, view, cursor, pin, style) {
  const { context, width, height } = fitted(canvas, style), at = placing(frame, view, width, height), ratio = style.ratio;
  const stroke = (colour, line, draw) => {
    context.strokeStyle = colour;
    context.lineWidth = line * ratio;
    context.beginPath();
    draw();
    context.stroke();
  };
  const twice = (colour, line, draw) => {
    context.globalAlpha = 0.75;
    stroke(style.paper, line + 2, draw);
    context.globalAlpha = 1;
    stroke(colour, line, draw);
  };
  const boxOf = ({ row, column }) => {
    const box = { left: at.x(column), right: at.x(column + 1), top: at.y(row), bottom: at.y(row + 1) };
    const grow = Math.max(0, 7 * ratio - (box.right - box.left)) / 2, tall = Math.max(0, 7 * ratio - (box.bottom - box.top)) / 2;
    return { left: box.left - grow, right: box.right + grow, top: box.top - tall, bottom: box.bottom + tall };
  };
  const isLarge = (box) => Math.min(box.right - box.left, box.bottom - box.top) > 18 * ratio;
  if (pin) {
    const box = boxOf(pin), large = isLarge(box), x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2, reach = 9 * ratio;
    if (!large) {
      context.setLineDash([2 * ratio, 4 * ratio]);
      stroke(style.accent, 1, () => {
        context.moveTo(x, 0);
        context.lineTo(x, height);
        context.moveTo(0, y);
        context.lineTo(width, y);
      });
      context.setLineDash([]);
    }
    // A ring makes a small cell findable; a large one is framed inside its own edges.
    const inset = large ? 2.5 * ratio : 0;
    twice(style.accent, large ? 3 : 2, () =>
      context.rect(box.left + inset, box.top + inset, box.right - box.left - 2 * inset, box.bottom - box.top - 2 * inset));
    if (!large) twice(style.accent, 2, () => context.arc(x, y, reach, 0, 2 * Math.PI));
  }
  if (!cursor) return;
  const box = boxOf(cursor), middle = (low, high) => [Math.floor((low + high) / 2) + 0.5];
  // Large cells carry text: there the row and the column are bordered, not crossed out.
  const across = isLarge(box) ? [box.top, box.bottom] : middle(box.top, box.bottom);
  const down = isLarge(box) ? [box.left, box.right] : middle(box.left, box.right);
  twice(style.ink, isLarge(box) ? 1.5 : 1, () => {
    for (const y of across) {
      context.moveTo(0, y);
      context.lineTo(box.left, y);
      context.moveTo(box.right, y);
      context.lineTo(width, y);
    }
    for (const x of down) {
      context.moveTo(x, 0);
      context.lineTo(x, box.top);
      context.moveTo(x, box.bottom);
      context.lineTo(x, height);
    }
  });
  twice(style.ink, isLarge(box) ? 2.5 : 1.5, () => context.rect(box.left, box.top, box.right - box.left, box.bottom - box.top));
}
