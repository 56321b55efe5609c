// Reading the payload: header length, header, colours, then one byte per cell (see encoding.py).

const NO_VALUE = 0, ZERO = 1, CENTRE = 128, SIGNED_STEPS = 126, MAGNITUDE_STEPS = 253;

function decodePayload(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;
  head.rgb = bytes.subarray(at, at + 768);
  at += 768;
  head.table = new Uint32Array(256);
  for (let i = 1; i < 256; i++)
    head.table[i] = ((255 << 24) | (head.rgb[3 * i + 2] << 16) | (head.rgb[3 * i + 1] << 8) | head.rgb[3 * i]) >>> 0;
  // Code 0 stays transparent: the hatching of the box shows through where there is no value.
  for (const frame of head.frames) {
    frame.rows = head.axes[frame.rows];
    frame.columns = head.axes[frame.columns];
    const cells = frame.rows.names.length * frame.columns.names.length;
    for (const panel of frame.panels) {
      panel.codes = bytes.subarray(at, at + cells);
      at += cells;
    }
  }
  return head;
}

function magnitudeAt(position, limit, head) {
  if (head.scale === "linear") return position * limit;
  if (head.scale === "signed_sqrt") return position * position * limit;
  return limit * Math.pow(10, head.decades * (position - 1));
}

// The value behind a code, in words that never claim more than a byte can tell.
function valueText(code, panel, head) {
  if (code === NO_VALUE) return "no value";
  if (code === ZERO) return "= 0";
  const steps = head.signed ? SIGNED_STEPS : MAGNITUDE_STEPS;
  const position = head.signed ? (code - CENTRE) / steps : (code - 2) / steps;
  if (position === 0) return `smaller than ${numberText(magnitudeAt(0.5 / steps, panel.limit, head), 2)} in size`;
  const value = magnitudeAt(Math.abs(position), panel.limit, head);
  if (panel.clipped && Math.abs(position) === 1)
    return position > 0 ? `≥ ${numberText(panel.limit, 3)}` : `≤ ${numberText(-panel.limit, 3)}`;
  return `≈ ${numberText(Math.sign(position) * value, 2)}`;
}

function numberText(value, digits) {
  if (value === 0) return "0";
  const [mantissa, exponent] = Math.abs(value).toExponential(digits - 1).split("e");
  const sign = value < 0 ? "−" : "", power = Number(exponent);
  if (power >= -3 && power < 4)
    return sign + Number(Math.abs(value).toPrecision(digits)).toFixed(Math.max(0, digits - 1 - power));
  const raised = String(power).replace(/./g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  return `${sign}${mantissa} × 10${raised}`;
}

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
// The cursor is kept as a fraction of each axis, so that it stays in place when the number of cells changes.
const cellOf = (state, frame) => ({
  row: clamp(Math.floor(state.v * frame.rows.names.length), 0, frame.rows.names.length - 1),
  column: clamp(Math.floor(state.u * frame.columns.names.length), 0, frame.columns.names.length - 1),
});
function putCursor(state, frame, row, column) {
  const rows = frame.rows.names.length, columns = frame.columns.names.length;
  state.v = (clamp(row, 0, rows - 1) + 0.5) / rows;
  state.u = (clamp(column, 0, columns - 1) + 0.5) / columns;
  state.chosen = true;
}
