"use strict";
/* Outcomes, course, welfare, latencies, fingerprints and tournaments: tables and Plotly charts of figures in the summary. */
const CONFIG = { displaylogo: false, responsive: true, displayModeBar: "hover", modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

function layout(title, more) {
  const ink = css("--ink"), line = css("--line");
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  return { title: { text: title, font: { size: 13, color: ink }, x: 0, xanchor: "left", pad: { l: 4 } }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: css("--sans"), size: 12, color: css("--quiet") }, margin: { l: 50, r: 12, t: 36, b: 46 }, height: 350,
    hoverlabel: { bgcolor: css("--card"), bordercolor: line, font: { color: ink } }, legend: { orientation: "h", y: -0.24, yanchor: "top", font: { size: 12 } }, colorway: PALETTE,
    ...more, xaxis: { ...axis, ...(more || {}).xaxis }, yaxis: { ...axis, ...(more || {}).yaxis } };
}

function chart(parent) { const place = make("div", undefined, { class: "chart" }); parent.append(place); return place; }

/* Plotly reads some markup in its texts: a name from a run must stay plain text. */
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\$/g, "＄");
const SHARES = ["accuracy", "efficiency", "cooperation_score"];

const madeUp = (tier) => tier === "simulated" ? ` · ${label("simulated_mark")}` : "";
const where = (row) => `${plain(row.game ?? row.task)} · ${label(row.mode)} · ${label("tier")} ${row.tier}${madeUp(row.tier)}${row.synthetic ? ` · ${label("synthetic_mark")}` : ""}`;

function drawOutcomes(run) {
  const figure = $("outcome-figure").value, by = $("outcome-by").value, place = fill($("outcome-charts"));
  const rows = run.standings.filter((row) => row.figure === figure && row.by === by);
  const part = (row) => by === "mode" ? where({ ...row, mode: figure }) : where(row);
  const titles = unique(rows.map(part)), places = titles.map(() => chart(place));
  place.classList.toggle("one", titles.length === 1);
  titles.forEach((title, which) => {
    const mine = rows.filter((row) => part(row) === title).sort((a, b) => a.value - b.value), share = SHARES.includes(figure);
    const dots = { type: "scatter", mode: "markers", y: mine.map((row) => by === "mode" || by === "role" ? label(row.name) : plain(row.player ? `${row.name} · ${row.player}` : row.name)), x: mine.map((row) => row.value),
      marker: { size: 10, color: css("--accent"), line: { width: 2, color: css("--accent") }, symbol: mine.map((row) => row.low === null ? "circle-open" : "circle") },
      error_x: { type: "data", symmetric: false, array: mine.map((row) => row.high === null ? 0 : row.high - row.value),
        arrayminus: mine.map((row) => row.low === null ? 0 : row.value - row.low), color: css("--accent"), thickness: 2, width: 0 },
      text: mine.map((row) => `${number(row.value)} ${row.low === null ? label("no_interval") : `[${number(row.low)}, ${number(row.high)}]`}, n = ${row.n}`),
      hovertemplate: "%{y}<br>%{text}<extra></extra>" };
    const height = 110 + 26 * mine.length;
    places[which].style.minHeight = `${Math.min(height, 640)}px`;
    places[which].classList.toggle("tall", height > 640);
    Plotly.newPlot(places[which], [dots], layout(title, { showlegend: false, height,
      xaxis: { title: { text: label(figure), standoff: 6 }, ...(share ? { range: [-0.02, 1.02] } : { rangemode: "tozero" }) }, yaxis: { type: "category", showgrid: true } }), CONFIG);
  });
  if (!rows.length) place.append(make("p", label("nothing"), { class: "quiet" }));
}

const coursePart = (line) => `${line.task} · ${line.mode} · ${line.tier}`;

function drawCourse(run) {
  const figure = $("course-figure").value, part = $("course-part").value;
  const lines = run.lines.filter((line) => line.figure === figure && coursePart(line) === part);
  const many = lines.length > 12;
  const traces = lines.map((line, at) => ({ x: line.steps, y: line.values, name: plain(line.model), mode: line.steps.length < 2 ? "markers" : many || line.steps.length > 60 ? "lines" : "lines+markers",
    line: { width: many ? 1 : 2, color: colour(at) }, marker: { size: many ? 3 : 6 }, opacity: many ? 0.55 : 1, hovertemplate: "%{y:.3f}<extra>%{fullData.name}</extra>" }));
  const titled = lines.length ? where(lines[0]) : "";
  Plotly.react($("course-chart"), traces, layout(titled, { showlegend: !many, xaxis: { title: { text: label("step"), standoff: 4 }, dtick: lines.length && lines[0].steps.length < 20 ? 1 : undefined }, yaxis: { title: { text: label(figure) } } }), CONFIG);
}

function drawWelfare(run) {
  const place = fill($("welfare-charts")), tasks = unique(run.episodes.map((row) => row.task));
  const places = tasks.map(() => [chart(place), chart(place)]);  // all are placed before one is drawn: a chart takes the width of its place
  tasks.forEach((task, at) => {
    const mine = run.episodes.filter((row) => row.task === task);
    drawWelfareOf(places[at][0], task, mine);
    drawGiniOf(places[at][1], task, mine);
  });
}

const episodeAxis = (rows) => ({ title: { text: label("episode"), standoff: 4 }, dtick: rows.length < 16 ? 1 : undefined });

function drawWelfareOf(place, task, mine) {
  const kind = (row) => `${row.mode} · ${row.tier}`;
  const traces = unique(mine.map(kind)).map((name, at) => {
    const rows = mine.filter((row) => kind(row) === name);
    return { x: rows.map((row) => row.episode), y: rows.map((row) => row.welfare), name: `${label(rows[0].mode)} · ${rows[0].tier}`, mode: "markers", marker: { size: 9, color: colour(at) },
      text: rows.map((row) => plain(row.reason)), hovertemplate: "%{y}<br>%{text}<extra></extra>" };
  });
  const line = (key, dash) => ({ x: mine.map((row) => row.episode), y: mine.map((row) => row[key]), name: label(key), mode: mine.length > 1 ? "lines" : "markers",
    marker: { symbol: "line-ew-open", size: 16, color: css("--quiet") }, line: { dash, width: 1.4, color: css("--quiet") }, hovertemplate: `%{y}<extra>${label(key)}</extra>` });
  Plotly.newPlot(place, [...traces, line("optimum", "dash"), line("nash", "dot")], layout(`${plain(task)}: ${label("welfare")}`, { xaxis: episodeAxis(mine), yaxis: { rangemode: "tozero" } }), CONFIG);
}

function drawGiniOf(place, task, mine) {
  const modes = unique(mine.map((row) => row.mode));
  const dots = { x: mine.map((row) => row.episode), y: mine.map((row) => row.gini), mode: "markers", marker: { size: 9, color: mine.map((row) => colour(modes.indexOf(row.mode))) },
    text: mine.map((row) => label(row.mode)), hovertemplate: "%{y:.3f}<br>%{text}<extra></extra>" };
  Plotly.newPlot(place, [dots], layout(`${plain(task)}: ${label("gini")}`, { showlegend: false, xaxis: episodeAxis(mine), yaxis: { range: [-0.03, 1.03] } }), CONFIG);
}

function drawCalls(run) {
  const tiers = Object.keys(run.latencies);
  $("latency-chart").hidden = !tiers.length;
  if (tiers.length) {
    const traces = tiers.map((tier, at) => ({ x: run.latencies[tier].map((each) => Math.max(each, 1e-6)), y: run.latencies[tier].map((_, rank, all) => all.length > 1 ? rank / (all.length - 1) : 1),
      name: tier, mode: "lines", line: { color: colour(at), shape: "hv" }, hovertemplate: "%{x:.3s}s: %{y:.0%}<extra></extra>" }));
    Plotly.react($("latency-chart"), traces, layout(label("latency_title"), { xaxis: { type: "log", title: { text: label("seconds") }, tickformat: "~s", ticksuffix: "s", nticks: 7 }, yaxis: { range: [0, 1.02], tickformat: ".0%" } }), CONFIG);
  }
  const heads = ["tier", "what", "attempts", "ok", "failed", "cached", "success", "p50", "p90", "p99", "queue", "rate", "prompt_tokens", "completion_tokens", "prefix_hits", "moves"];
  const body = make("tbody");
  for (const row of run.calls) {
    const of = (figure, key) => !row[figure] ? "–" : figure === "tokens_per_second" ? number(row[figure][key], 1) : seconds(row[figure][key]);
    const cells = [row.tier, row.by === "tier" ? "" : `${label(row.by)} ${row.name}`, row.attempts, row.statuses.ok, row.statuses.failed, row.statuses.cached, percent(row.success_rate && row.success_rate.value),
      of("latency", "p50"), of("latency", "p90"), of("latency", "p99"), of("queue_time", "p90"), of("tokens_per_second", "p50"), row.prompt_tokens, row.completion_tokens, percent(row.prefix_cache_hit_rate), row.moves];
    body.append(fill(make("tr"), ...cells.map((cell, at) => make("td", cell, at < 2 ? { class: "text" } : {}))));
  }
  fill($("calls-table"), fill(make("thead"), fill(make("tr"), ...heads.map((head, at) => make("th", label(`calls_${head}`), at < 2 ? { class: "text" } : {})))), body);
  if (!run.calls.length) fill($("calls-table"), make("caption", label("no_calls")));
}

/* A table of figures with their intervals; a cell is coloured by its place (0-1) in a scale that its neighbours share. */
function grid(title, columns, rows) {
  const head = fill(make("thead"), fill(make("tr"), make("th"), ...columns.map((name) => make("th", name)))), body = make("tbody");
  for (const [name, cells] of rows) {
    const line = fill(make("tr"), make("td", name));
    for (const { found, strength, why } of cells) {
      const cell = make("td", undefined, strength === null || !found ? {} : { class: "shaded" });
      if (strength !== null) cell.style.setProperty("--strength", `${Math.round(6 + 60 * Math.max(0, Math.min(1, strength)))}%`);
      line.append(found ? fill(cell, make("b", number(found.value, 2)), make("small", found.low === null ? "" : `${number(found.low, 2)} – ${number(found.high, 2)}`)) : fill(cell, make("small", why)));
    }
    body.append(line);
  }
  return fill(make("div", undefined, { class: "scroll", tabindex: "0" }), make("h3", title), fill(make("table", undefined, { class: "grid" }), head, body));
}

function interval(found) { return !found ? "" : found.low === null ? number(found.value, 2) : `${number(found.value, 2)} [${number(found.low, 2)}, ${number(found.high, 2)}]`; }

function drawFingerprints(all) {
  const place = fill($("fingerprints"));
  if (!all.length) return;
  place.append(make("h2", label("fingerprints")));
  for (const report of all) {
    const cells = unique(report.figures.map((each) => each.cell));
    const at = (cell, subject) => report.figures.find((each) => each.cell === cell && each.subject === subject);
    place.append(grid(`${report.origin.roster} · ${label("tier")} ${report.tiers.join(", ")}`, report.subjects, cells.map((cell) => [report.titles[cell] ?? cell, report.subjects.map((subject) => {
      const { interval: found, why } = at(cell, subject);
      return { found, why, strength: found && report.shares[cell] ? found.value : null };
    })])));
    for (const pair of report.pairs) place.append(make("p", `${pair.first}, ${pair.second}: ${pair.cells.join(", ") || label("not_separable")}`, { class: "quiet" }));
    for (const note of report.notes) place.append(make("p", note, { class: "quiet" }));
  }
}

function drawTournaments(all) {
  const place = fill($("tournaments"));
  if (!all.length) return;
  place.append(make("h2", label("tournaments")));
  for (const report of all) {
    const title = `${report.game} · ${label(report.mode)}`;
    if (report.matrix) {
      const names = unique(report.matrix.map((row) => row.row));
      const at = (row, column) => report.matrix.find((each) => each.row === row && each.column === column);
      const all = report.matrix.map((row) => row.value), low = Math.min(...all), spread = Math.max(...all) - low || 1;
      const cell = (found) => ({ found, why: "–", strength: found ? (found.value - low) / spread : null });
      place.append(grid(`${title}: ${label("cross_play")}`, names, names.map((row) => [row, names.map((column) => cell(at(row, column)))])));
    }
    for (const [key, who] of [["standings", (row) => row.model_id], ["compositions", (row) => `${row.team}: ${row.members || label("stand_ins")} (${row.worth})`], ["contributions", (row) => `${row.team}: ${row.model_id} (${row.worth})`]]) {
      if (!report[key]) continue;
      const rows = report[key].map((row) => fill(make("tr"), make("td", who(row)), make("td", interval(row))));
      place.append(make("h3", label(key)), fill(make("table"), ...rows));
    }
  }
}
