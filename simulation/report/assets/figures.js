"use strict";
/* Pictures as inline SVG: lines, points with intervals, and heat maps. Every point has its figures as a tooltip. */
const SVG_SPACE = "http://www.w3.org/2000/svg";

function shape(tag, attributes, text) {
  const made = document.createElementNS(SVG_SPACE, tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/* Round steps that divide a range into at most so many parts. */
function ticksOf(low, high, most, whole) {
  const rough = (high - low) / most, size = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((each) => each * size).find((each) => each >= rough * 0.999) ?? 10 * size;
  if (whole) step = Math.max(1, Math.round(step));
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) ticks.push(Math.abs(at) < step * 1e-6 ? 0 : at);
  return ticks;
}

/* A number axis: its ends, its ticks and the place (0-1) of a value. `log` axes have a tick per power of ten. */
function numberAxis(values, { range, zero, whole, log, share } = {}, most = 6) {
  const known = values.filter((value) => value !== null && value !== undefined && Number.isFinite(value));
  let low = range ? range[0] : known.reduce((a, b) => Math.min(a, b), Infinity), high = range ? range[1] : known.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(low)) [low, high] = [0, 1];
  if (log) {
    const [first, last] = [Math.floor(Math.log10(low)), Math.max(Math.ceil(Math.log10(high)), Math.floor(Math.log10(low)) + 1)];
    const ticks = []; for (let at = first; at <= last; at++) ticks.push(10 ** at);
    return { ticks, place: (value) => (Math.log10(Math.max(value, low)) - first) / (last - first) };
  }
  if (zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  const room = range ? 0 : (high - low || Math.abs(high) || 1) * 0.05;
  if (!range) [low, high] = [zero && low === 0 ? 0 : low - room, high === 0 && zero && low < 0 ? 0 : high + room];
  return { ticks: ticksOf(low, high, most, whole), place: (value) => (value - low) / (high - low), share };
}

const tickText = (axis, value) => axis.share ? percent(value) : number(value, 6);
const cut = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;

/* The frame of a picture in `place`: title, axes with grid, legend; returns what draws into it. */
function figureIn(place, { title, height = 320, x, y, names, legend = [], label: what }) {
  const width = Math.max(300, Math.min(1140, place.clientWidth || 640)), long = names ? Math.max(...names.map((name) => name.length), 4) : 0;
  const left = names ? Math.min(7.2 * long + 14, width * 0.42) : 52, right = 16, top = title ? 34 : 12;
  const line = []; let row = 0, used = 0;
  for (const [name, colour, dash] of legend) {
    const wide = 34 + 7 * name.length;
    if (used && used + wide > width - left) { row += 1; used = 0; }
    line.push({ name, colour, dash, x: left + used, row }); used += wide;
  }
  const bottom = 46 + (legend.length ? 20 * (row + 1) : 0), inner = height, whole = top + inner + bottom;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${whole}`, class: "figure", role: "img", "aria-label": what || title || "" });
  const X = (value) => left + x.place(value) * (width - left - right), Y = (value) => top + inner - y.place(value) * inner;
  if (title) svg.append(shape("text", { x: names ? 4 : left - 44, y: 18, class: "figure-title" }, cut(title, Math.floor(width / 7.2))));
  for (const tick of x.ticks) {
    svg.append(shape("line", { x1: X(tick), x2: X(tick), y1: top, y2: top + inner, class: "grid-line" }),
      shape("text", { x: X(tick), y: top + inner + 17, "text-anchor": "middle" }, x.text ? x.text(tick) : tickText(x, tick)));
  }
  if (names) names.forEach((name, at) => {
    const middle = top + inner * (at + 0.5) / names.length, full = shape("text", { x: left - 10, y: middle + 4, "text-anchor": "end" }, cut(name, Math.floor((left - 10) / 7)));
    full.append(shape("title", {}, name));
    svg.append(shape("line", { x1: left, x2: width - right, y1: middle, y2: middle, class: "grid-line" }), full);
  });
  else for (const tick of y.ticks) svg.append(shape("line", { x1: left, x2: width - right, y1: Y(tick), y2: Y(tick), class: "grid-line" }), shape("text", { x: left - 8, y: Y(tick) + 4, "text-anchor": "end" }, tickText(y, tick)));
  if (x.title) svg.append(shape("text", { x: (left + width - right) / 2, y: top + inner + 36, "text-anchor": "middle", class: "axis-title" }, x.title));
  for (const each of line) {
    const at = top + inner + 56 + 20 * each.row;
    svg.append(shape("line", { x1: each.x, x2: each.x + 20, y1: at - 4, y2: at - 4, stroke: each.colour, "stroke-width": 3, ...(each.dash ? { "stroke-dasharray": each.dash } : {}) }), shape("text", { x: each.x + 26, y: at }, each.name));
  }
  place.append(svg);
  const band = (at) => top + inner * (at + 0.5) / (names ? names.length : 1);
  return { svg, X, Y, band, inner, top };
}

function dot(frame, x, y, colour, hollow, tip, size = 4.5) {
  const made = shape("circle", { cx: x, cy: y, r: size, fill: hollow ? css("--card") : colour, stroke: colour, "stroke-width": 2 });
  made.append(shape("title", {}, tip));
  frame.svg.append(made);
}

/* Named rows, each a mean with its interval; a hollow point has none. `rows`: {name, value, low, high, tip}. */
function intervalsFigure(place, title, rows, options) {
  const { share, xTitle, colourOf } = options;
  const axis = { ...numberAxis(rows.flatMap((row) => [row.value, row.low, row.high]), share ? { range: [-0.02, 1.02] } : { zero: !options.difference }), title: xTitle };
  const frame = figureIn(place, { title, height: Math.max(60, 28 * rows.length), x: axis, names: rows.map((row) => row.name) });
  if (options.difference) frame.svg.append(shape("line", { x1: frame.X(0), x2: frame.X(0), y1: frame.top, y2: frame.top + frame.inner, stroke: css("--quiet") }));
  rows.forEach((row, at) => {
    const colour = colourOf ? colourOf(row) : css("--accent"), known = row.low !== null && row.low !== undefined;
    if (known) frame.svg.append(shape("line", { x1: frame.X(row.low), x2: frame.X(row.high), y1: frame.band(at), y2: frame.band(at), stroke: colour, "stroke-width": 2.5 }));
    dot(frame, frame.X(row.value), frame.band(at), colour, !known, row.tip);
  });
}

/* Lines over numbers. Lines with the same values are one line with all their names: none hides another.
   `lines`: {name, x, y, dash, points: only points, tips}. */
function linesFigure(place, title, lines, { xTitle, yTitle, share, zero, whole = true, ticks, xAxis }) {
  const groups = new Map();
  for (const each of lines) {
    const key = JSON.stringify([each.x, each.y, each.dash, each.points]);
    if (groups.has(key)) groups.get(key).names.push(each.name); else groups.set(key, { ...each, names: [each.name] });
  }
  const shown = [...groups.values()], many = shown.length > 12;
  shown.forEach((each, at) => { each.colour = each.quiet ? css("--quiet") : each.colour ?? colour(at); each.text = each.names.length > 3 ? `${each.names.slice(0, 2).join(" = ")} = ${each.names.length - 2} ${label("more")}` : each.names.join(" = "); });
  const x = { ...(xAxis ?? numberAxis(shown.flatMap((each) => each.x), { whole }, ticks)), title: xTitle };
  const y = numberAxis(shown.flatMap((each) => each.y), share ? { range: [-0.02, 1.02], share } : { zero });
  const frame = figureIn(place, { title: yTitle ? `${title}${title ? " · " : ""}${yTitle}` : title, x, y, legend: many ? [] : shown.map((each) => [each.text, each.colour, each.dash]) });
  for (const each of shown) {
    const places = each.x.map((value, at) => each.y[at] === null || each.y[at] === undefined ? null : [frame.X(value), frame.Y(each.y[at])]);
    let path = "", begun = false;
    for (const where of places) { if (where) path += `${begun ? "L" : "M"}${where[0].toFixed(1)},${where[1].toFixed(1)}`; begun = Boolean(where); }
    if (!each.points) {
      const drawn = shape("path", { d: path, fill: "none", stroke: each.colour, "stroke-width": many ? 1 : 2, opacity: many ? 0.6 : 1, ...(each.dash ? { "stroke-dasharray": each.dash } : {}) });
      drawn.append(shape("title", {}, each.names.join(", ")));
      frame.svg.append(drawn);
    }
    const alone = places.filter(Boolean).length === 1;
    if (each.points || alone || (!each.dash && each.x.length <= 60 && !many)) places.forEach((where, at) => { if (where) dot(frame, ...where, each.colours?.[at] ?? each.colour, false, each.tips?.[at] ?? `${each.names.join(", ")}: ${number(each.y[at])}`, each.points || alone ? 4.5 : 3); });
  }
}

const heat = (value) => value < 0.5 ? `color-mix(in oklab, #efe9dc ${(200 * value).toFixed(1)}%, #c44e3a)` : `color-mix(in oklab, #1f7a6b ${(200 * value - 100).toFixed(1)}%, #efe9dc)`;

/* A heat map: `rows` are named, `values[row][column]` are 0-1. */
function heatFigure(place, title, columns, rows, values, xTitle) {
  const most = 12, step = Math.max(1, Math.ceil(columns.length / most));
  const x = { ticks: columns.map((_, at) => at).filter((at) => at % step === 0), place: (at) => (at + 0.5) / columns.length, text: (at) => String(columns[at]), title: xTitle };
  const frame = figureIn(place, { title, height: 26 * rows.length, x, names: rows });
  const wide = frame.X(1) - frame.X(0) || frame.X(0);
  values.forEach((row, at) => row.forEach((value, column) => {
    if (value === undefined || value === null) return;
    const tile = shape("rect", { x: frame.X(column) - wide / 2, y: frame.band(at) - 12, width: wide + 0.5, height: 24, fill: heat(value) });
    tile.append(shape("title", {}, `${rows[at]}, ${columns[column]}: ${number(value)}`));
    frame.svg.append(tile);
  }));
}
