"use strict";
/* Outcomes, course, welfare, latencies, fingerprints and tournaments: tables and Plotly charts of figures in the summary. */
const CONFIG = { displaylogo: false, responsive: true, displayModeBar: "hover", modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

function layout(title, more) {
  const ink = css("--ink"), line = css("--line");
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  return { title: { text: title, font: { size: 13, color: ink }, x: 0, xanchor: "left", pad: { l: 4 } }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: css("--quiet") }, margin: { l: 50, r: 12, t: 36, b: 46 }, height: 350,
    hoverlabel: { bgcolor: css("--card"), bordercolor: line, font: { color: ink } }, legend: { orientation: "h", y: -0.24, yanchor: "top", font: { size: 11 } }, colorway: PALETTE,
    ...more, xaxis: { ...axis, ...(more || {}).xaxis }, yaxis: { ...axis, ...(more || {}).yaxis } };
}

function chart(parent) { const place = make("div", undefined, { class: "chart" }); parent.append(place); return place; }

const madeUp = (tier) => tier === "simulated" ? ` · ${label("simulated_mark")}` : "";
const where = (row) => `${row.game ?? row.task} · ${label(row.mode)} · ${label("tier")} ${row.tier}${madeUp(row.tier)}${row.synthetic ? ` · ${label("synthetic_mark")}` : ""}`;

function drawOutcomes(run) {
  const figure = $("outcome-figure").value, by = $("outcome-by").value, place = fill($("outcome-charts"));
  const rows = run.standings.filter((row) => row.figure === figure && row.by === by);
  const titles = unique(rows.map(where)), places = titles.map(() => chart(place));
  titles.forEach((title, which) => {
    const mine = rows.filter((row) => where(row) === title);
    const bars = { type: "bar", x: mine.map((row) => row.name), y: mine.map((row) => row.value), marker: { color: mine.map((_, at) => colour(at)) },
      error_y: { type: "data", symmetric: false, array: mine.map((row) => row.high === null ? 0 : row.high - row.value),
        arrayminus: mine.map((row) => row.low === null ? 0 : row.value - row.low), color: css("--quiet"), thickness: 1.4 },
      text: mine.map((row) => `${number(row.value)} ${row.low === null ? label("one_episode") : `[${number(row.low)}, ${number(row.high)}]`}, n = ${row.n}`),
      textposition: "none", hovertemplate: "%{x}<br>%{text}<extra></extra>" };
    Plotly.newPlot(places[which], [bars], layout(title, { showlegend: false, bargap: 0.35, yaxis: { title: { text: label(figure) }, rangemode: "tozero" } }), CONFIG);
  });
  if (!rows.length) place.append(make("p", label("nothing"), { class: "quiet" }));
}

const coursePart = (line) => `${line.task} · ${line.mode} · ${line.tier}`;

function drawCourse(run) {
  const figure = $("course-figure").value, part = $("course-part").value;
  const lines = run.lines.filter((line) => line.figure === figure && coursePart(line) === part);
  const many = lines.length > 12;
  const traces = lines.map((line, at) => ({ x: line.steps, y: line.values, name: line.model, mode: line.steps.length > 1 ? "lines+markers" : "markers",
    line: { width: many ? 1 : 2, color: colour(at) }, marker: { size: many ? 3 : 6 }, opacity: many ? 0.55 : 1, hovertemplate: "%{y:.3f}<extra>%{fullData.name}</extra>" }));
  const titled = lines.length ? where(lines[0]) : "";
  Plotly.react($("course-chart"), traces, layout(titled, { showlegend: !many, xaxis: { title: { text: label("step"), standoff: 4 }, dtick: lines.length && lines[0].steps.length < 20 ? 1 : undefined }, yaxis: { title: { text: label(figure) } } }), CONFIG);
}

function drawWelfare(run) {
  const place = fill($("welfare-charts")), tasks = unique(run.episodes.map((row) => row.task));
  const places = tasks.map(() => [chart(place), chart(place)]);  // all in place before one is drawn: a chart takes the width it finds
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
      text: rows.map((row) => row.reason), hovertemplate: "%{y}<br>%{text}<extra></extra>" };
  });
  const line = (key, dash) => ({ x: mine.map((row) => row.episode), y: mine.map((row) => row[key]), name: label(key), mode: mine.length > 1 ? "lines" : "markers",
    marker: { symbol: "line-ew-open", size: 16, color: css("--quiet") }, line: { dash, width: 1.4, color: css("--quiet") }, hovertemplate: `%{y}<extra>${label(key)}</extra>` });
  Plotly.newPlot(place, [...traces, line("optimum", "dash"), line("nash", "dot")], layout(`${task}: ${label("welfare")}`, { xaxis: episodeAxis(mine), yaxis: { rangemode: "tozero" } }), CONFIG);
}

function drawGiniOf(place, task, mine) {
  const modes = unique(mine.map((row) => row.mode));
  const bars = { x: mine.map((row) => row.episode), y: mine.map((row) => row.gini), type: "bar", marker: { color: mine.map((row) => colour(modes.indexOf(row.mode))) },
    text: mine.map((row) => label(row.mode)), textposition: "none", hovertemplate: "%{y:.3f}<br>%{text}<extra></extra>" };
  Plotly.newPlot(place, [bars], layout(`${task}: ${label("gini")}`, { showlegend: false, xaxis: episodeAxis(mine), yaxis: { range: [0, 1] } }), CONFIG);
}

function drawCalls(run) {
  const tiers = Object.keys(run.latencies);
  $("latency-chart").hidden = !tiers.length;
  if (tiers.length) {
    const traces = tiers.map((tier, at) => ({ x: run.latencies[tier].map((each) => Math.max(each, 1e-6)), y: run.latencies[tier].map((_, rank, all) => all.length > 1 ? rank / (all.length - 1) : 1),
      name: tier, mode: "lines", line: { color: colour(at), shape: "hv" }, hovertemplate: "%{x:.4f} s<extra></extra>" }));
    Plotly.react($("latency-chart"), traces, layout(label("latency_title"), { xaxis: { type: "log", title: { text: label("seconds") } }, yaxis: { range: [0, 1.02], tickformat: ".0%" } }), CONFIG);
  }
  const heads = ["tier", "what", "attempts", "ok", "failed", "cached", "success", "p50", "p90", "p99", "queue", "rate", "prompt_tokens", "completion_tokens", "prefix_hits", "moves"];
  const body = make("tbody");
  for (const row of run.calls) {
    const of = (figure, key) => row[figure] ? String(Number(row[figure][key].toPrecision(2))) : "–";
    const cells = [row.tier, row.by === "tier" ? "" : `${label(row.by)} ${row.name}`, row.attempts, row.statuses.ok, row.statuses.failed, row.statuses.cached, percent(row.success_rate && row.success_rate.value),
      of("latency", "p50"), of("latency", "p90"), of("latency", "p99"), of("queue_time", "p90"), of("tokens_per_second", "p50"), row.prompt_tokens, row.completion_tokens, percent(row.prefix_cache_hit_rate), row.moves];
    body.append(fill(make("tr"), ...cells.map((cell, at) => make("td", cell, at < 2 ? { class: "text" } : {}))));
  }
  fill($("calls-table"), fill(make("thead"), fill(make("tr"), ...heads.map((head, at) => make("th", label(`calls_${head}`), at < 2 ? { class: "text" } : {})))), body);
  if (!run.calls.length) fill($("calls-table"), make("caption", label("no_calls")));
}

function heat(place, title, columns, rows, values, texts) {
  const dark = state.theme === "dark";
  const scale = [[0, "#be4a2f"], [0.5, dark ? "#3a3e47" : "#eceae4"], [1, "#26806e"]];
  Plotly.newPlot(place, [{ type: "heatmap", x: columns, y: rows, z: values, text: texts, texttemplate: "%{text}", hovertemplate: "%{y}<br>%{x}<br>%{text}<extra></extra>", colorscale: scale, showscale: false, xgap: 3, ygap: 3 }],
    layout(title, { height: 120 + 30 * rows.length, xaxis: { side: "top", showgrid: false, type: "category" }, yaxis: { autorange: "reversed", showgrid: false, type: "category" }, margin: { l: 50, r: 12, t: 90, b: 20 } }), CONFIG);
}

function interval(found) { return found ? `${number(found.value, 2)} [${number(found.low, 2)}, ${number(found.high, 2)}]` : ""; }

function drawFingerprints(all) {
  const place = fill($("fingerprints"));
  if (!all.length) return;
  place.append(make("h2", label("fingerprints")));
  for (const report of all) {
    const cells = unique(report.figures.map((each) => each.cell));
    const at = (cell, subject) => report.figures.find((each) => each.cell === cell && each.subject === subject);
    heat(chart(place), `${report.origin.roster} · ${label("tier")} ${report.tiers.join(", ")}`, report.subjects, cells.map((cell) => report.titles[cell] ?? cell),
      cells.map((cell) => report.subjects.map((subject) => at(cell, subject).interval?.value ?? null)),
      cells.map((cell) => report.subjects.map((subject) => at(cell, subject).interval ? interval(at(cell, subject).interval) : at(cell, subject).why)));
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
      heat(chart(place), `${title}: ${label("cross_play")}`, names, names, names.map((row) => names.map((column) => at(row, column)?.value ?? null)), names.map((row) => names.map((column) => interval(at(row, column)))));
    }
    for (const [key, who] of [["standings", (row) => row.model_id], ["compositions", (row) => `${row.team}: ${row.members || label("stand_ins")} (${row.worth})`], ["contributions", (row) => `${row.team}: ${row.model_id} (${row.worth})`]]) {
      if (!report[key]) continue;
      const rows = report[key].map((row) => fill(make("tr"), make("td", who(row)), make("td", interval(row))));
      place.append(make("h3", label(key)), fill(make("table"), ...rows));
    }
  }
}
