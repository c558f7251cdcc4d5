"use strict";
/* What spread: the largest cascades as trees, and opinions as ribbons of quantiles over steps. */
function drawSpread(run) {
  const place = fill($("spread-charts")), places = [...run.ribbons, ...run.trees].map(() => chart(place));
  run.ribbons.forEach((each, at) => ribbonFigure(places[at], each));
  run.trees.forEach((each, at) => treeFigure(places[run.ribbons.length + at], each));
}

/* All opinions, the middle 80 % and 50 %, the median; polarisation is dashed. */
function ribbonFigure(place, { task, steps, quantiles, polarisation }) {
  const x = { ...numberAxis(steps, { whole: true }), title: label("step") }, y = numberAxis([], { range: [-0.02, 1.02] });
  const legend = [[label("median"), css("--accent")], [label("polarisation"), css("--warn"), "7 4"]];
  const frame = figureIn(place, { title: `${task} · ${label("opinions")}`, x, y, legend });
  const points = (values) => steps.map((step, at) => `${frame.X(step).toFixed(1)},${frame.Y(values[at]).toFixed(1)}`);
  for (const [low, high, opacity, name] of [[0, 6, 0.12, "opinions_all"], [1, 5, 0.2, "opinions_most"], [2, 4, 0.35, "opinions_half"]]) {
    const band = shape("polygon", { points: [...points(quantiles[high]), ...points(quantiles[low]).reverse()].join(" "), fill: css("--accent"), opacity });
    band.append(shape("title", {}, label(name)));
    frame.svg.append(band);
  }
  for (const [values, stroke, dash] of [[quantiles[3], css("--accent"), ""], [polarisation, css("--warn"), "7 4"]]) {
    frame.svg.append(shape("polyline", { points: points(values).join(" "), fill: "none", stroke, "stroke-width": 2, "stroke-dasharray": dash }));
    steps.forEach((step, at) => dot(frame, frame.X(step), frame.Y(values[at]), stroke, false, `${label("step")} ${step}: ${number(values[at])}`, 3));
  }
}

/* A point per post, below the post that it shares. */
function treeFigure(place, { text, author, scale, depth, nodes }) {
  const height = Math.max(120, Math.min(420, 34 * (depth + 1))), size = nodes.length < 60 ? 5 : 3;
  const x = { ticks: [], place: (value) => value, title: `${label("cascade_scale")} ${scale} · ${label("cascade_depth")} ${depth}` };
  const y = { ticks: ticksOf(0, Math.max(1, depth), 6, true), place: (value) => 1 - (value + 0.3) / (depth + 0.6 || 1) };
  const frame = figureIn(place, { title: `${author}: ${text}`, height, x, y, label: text });
  for (const node of nodes) if (node.parent >= 0) {
    const above = nodes[node.parent];
    frame.svg.append(shape("line", { x1: frame.X(above.x), y1: frame.Y(above.depth), x2: frame.X(node.x), y2: frame.Y(node.depth), stroke: css("--quiet"), "stroke-width": 1 }));
  }
  for (const node of nodes) dot(frame, frame.X(node.x), frame.Y(node.depth), css("--accent"), node.parent < 0, `${node.author}, ${label("step")} ${node.step}${node.text ? `: ${node.text}` : ""}`, size);
}
