"use strict";
/* Outcomes, course, welfare, latencies, fingerprints and tournaments: tables and pictures of figures in the summary. */
function chart(parent) { const place = make("div", undefined, { class: "chart" }); parent.append(place); return place; }

const SHARES = ["accuracy", "efficiency", "cooperation_score", "cooperation"];
const madeUp = (tier) => tier === "simulated" ? ` · ${label("simulated_mark")}` : "";
const where = (row) => `${row.game ?? row.task} · ${label(row.mode)} · ${label("tier")} ${row.tier}${madeUp(row.tier)}${row.synthetic ? ` · ${label("synthetic_mark")}` : ""}`;

function drawOutcomes(run) {
  const figure = $("outcome-figure").value, by = $("outcome-by").value, place = fill($("outcome-charts"));
  const rows = run.standings.filter((row) => row.figure === figure && row.by === by);
  const part = (row) => by === "mode" ? where({ ...row, mode: figure }) : where(row);
  const titles = unique(rows.map(part)), places = titles.map(() => chart(place));  // all are placed before one is drawn: a chart takes the width of its place
  place.classList.toggle("one", titles.length === 1);
  titles.forEach((title, which) => {
    const mine = rows.filter((row) => part(row) === title).sort((a, b) => b.value - a.value);
    const shown = mine.map((row) => {
      const name = by === "mode" || by === "role" ? label(row.name) : row.player ? `${row.name} · ${row.player}` : row.name;
      return { ...row, name, tip: `${name}: ${number(row.value)} ${row.low === null ? label("no_interval") : `[${number(row.low)}, ${number(row.high)}]`}, n = ${row.n}` };
    });
    places[which].classList.toggle("tall", shown.length > 20);
    intervalsFigure(places[which], title, shown, { share: SHARES.includes(figure), xTitle: label(figure) });
  });
  if (!rows.length) place.append(make("p", label("nothing"), { class: "quiet" }));
}

const coursePart = (line) => `${line.task} · ${line.mode} · ${line.tier}`;

function drawCourse(run) {
  const figure = $("course-figure").value, part = $("course-part").value;
  const lines = run.lines.filter((line) => line.figure === figure && coursePart(line) === part);
  linesFigure(fill($("course-chart")), lines.length ? where(lines[0]) : "", lines.map((line) => ({ name: line.model, x: line.steps, y: line.values })),
    { xTitle: label("step"), yTitle: label(figure), share: figure === "cooperation", zero: figure !== "cooperation", ticks: 12 });
}

function drawWelfare(run) {
  const place = fill($("welfare-charts")), tasks = unique(run.episodes.map((row) => row.task));
  const places = tasks.map(() => [chart(place), chart(place)]);
  tasks.forEach((task, at) => {
    const mine = run.episodes.filter((row) => row.task === task);
    drawWelfareOf(places[at][0], task, mine);
    drawGiniOf(places[at][1], task, mine);
  });
}

function drawWelfareOf(place, task, mine) {
  const kind = (row) => `${label(row.mode)} · ${row.tier}`;
  const points = unique(mine.map(kind)).map((name) => {
    const rows = mine.filter((row) => kind(row) === name);
    return { name, x: rows.map((row) => row.episode), y: rows.map((row) => row.welfare), points: true, tips: rows.map((row) => `${number(row.welfare)}, ${row.reason}`) };
  });
  const line = (key, dash) => ({ name: label(key), x: mine.map((row) => row.episode), y: mine.map((row) => row[key]), dash, quiet: true });
  const known = [line("optimum", "7 4"), line("nash", "2 4")].filter((each) => each.y.some((value) => value !== null));
  linesFigure(place, `${task}: ${label("welfare")}`, [...points, ...known], { xTitle: label("episode"), zero: true });
}

function drawGiniOf(place, task, mine) {
  const modes = unique(mine.map((row) => row.mode));
  const points = modes.map((mode) => { const rows = mine.filter((row) => row.mode === mode); return { name: label(mode), x: rows.map((row) => row.episode), y: rows.map((row) => row.gini), points: true }; });
  linesFigure(place, `${task}: ${label("gini")}`, points, { xTitle: label("episode"), share: true });
}

/* The share of replies within each time, of language models: what a scripted policy takes says nothing. */
function drawLatencies(run) {
  const place = fill($("latency-chart")), all = Object.keys(run.latencies), tiers = all.filter((tier) => tier !== "simulated");
  if (all.length > tiers.length) place.append(make("p", label("fast_replies"), { class: "quiet" }));
  if (!tiers.length) return;
  const lines = tiers.map((tier) => ({ name: tier, x: run.latencies[tier].map((each) => Math.max(each, 1e-6)), y: run.latencies[tier].map((_, rank, all) => all.length > 1 ? rank / (all.length - 1) : 1) }));
  const axis = { ...numberAxis(lines.flatMap((each) => each.x), { log: true }), text: seconds };
  linesFigure(place, label("latency_title"), lines, { xAxis: axis, xTitle: label("seconds"), share: true });
}

function drawCalls(run) {
  drawLatencies(run);
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

/* What every study says first: its title, whose texts they are, warnings in full colour, notes. */
function banner({ title, lines }) {
  const items = lines.map(([text, loud]) => make("li", text, loud ? { class: "loud" } : {}));
  return fill(make("div", undefined, { class: "banner" }), make("h3", title), fill(make("ul"), ...items));
}

/* Other studies: a banner and a table, with a picture where rows have intervals. */
function drawStudies(all) {
  const place = fill($("studies"));
  if (!all.length) return;
  place.append(make("h2", label("studies")));
  for (const { banner: said, heads, rows } of all) {
    const texts = heads.map((_, at) => rows.some((row) => typeof row[at] === "string"));
    const cells = rows.map((row) => fill(make("tr"), ...row.map((cell, at) => make("td", typeof cell === "number" ? number(cell) : cell ?? "–", texts[at] ? { class: "text" } : {}))));
    const head = fill(make("thead"), fill(make("tr"), ...heads.map((name, at) => make("th", name, texts[at] ? { class: "text" } : {}))));
    place.append(banner(said), fill(make("div", undefined, { class: "scroll", tabindex: "0" }), fill(make("table"), head, fill(make("tbody"), ...cells))));
  }
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
  return fill(make("div", undefined, { class: "scroll", tabindex: "0" }), ...(title ? [make("h3", title)] : []), fill(make("table", undefined, { class: "grid" }), head, body));
}

function interval(found) { return !found ? "" : found.low === null ? number(found.value, 2) : `${number(found.value, 2)} [${number(found.low, 2)}, ${number(found.high, 2)}]`; }

function drawFingerprints(all) {
  const place = fill($("fingerprints"));
  if (!all.length) return;
  place.append(make("h2", label("fingerprints")));
  for (const report of all) {
    const cells = unique(report.figures.map((each) => each.cell));
    const at = (cell, subject) => report.figures.find((each) => each.cell === cell && each.subject === subject);
    place.append(banner(report.banner), grid("", report.subjects, cells.map((cell) => [report.titles[cell] ?? cell, report.subjects.map((subject) => {
      const { interval: found, why } = at(cell, subject);
      return { found, why, strength: found && report.shares[cell] ? found.value : null };
    })])));
    for (const pair of report.pairs) place.append(make("p", `${pair.first}, ${pair.second}: ${pair.cells.join(", ") || label("not_separable")}`, { class: "quiet" }));
  }
}

function drawTournaments(all) {
  const place = fill($("tournaments"));
  if (!all.length) return;
  place.append(make("h2", label("tournaments")));
  for (const report of all) {
    place.append(banner(report.banner));
    if (report.matrix) {
      const names = unique(report.matrix.map((row) => row.row));
      const at = (row, column) => report.matrix.find((each) => each.row === row && each.column === column);
      const all = report.matrix.map((row) => row.value), low = Math.min(...all), spread = Math.max(...all) - low || 1;
      const cell = (found) => ({ found, why: "–", strength: found ? (found.value - low) / spread : null });
      place.append(grid(label("cross_play"), names, names.map((row) => [row, names.map((column) => cell(at(row, column)))])));
    }
    for (const [key, who] of [["standings", (row) => row.model_id], ["compositions", (row) => `${row.team}: ${row.members || label("stand_ins")} (${row.worth})`], ["contributions", (row) => `${row.team}: ${row.model_id} (${row.worth})`]]) {
      if (!report[key]) continue;
      const rows = report[key].map((row) => fill(make("tr"), make("td", who(row)), make("td", interval(row))));
      place.append(make("h3", label(key)), fill(make("table"), ...rows));
    }
  }
}
