"use strict";
/* Builds the page, and draws it again when run, language or theme change. */
let report = null;
const current = () => report.runs[state.run];
const FIGURES = ["payoff", "cooperation_score", "efficiency", "accuracy", "reward_earned"], COURSE = ["total_payoff", "payoff", "cooperation"];
const STUDIES = ["fingerprints", "tournaments", "studies", "trainings"];
const SECTIONS = ["studies", "answer", "outcomes", "society", "course", "spread", "network", "messages", "calls", "metrics", "fingerprints", "tournaments", "trainings"];

function drawHonesty(run) {
  const { honesty } = run, warnings = [], facts = [];
  if (honesty.tiers.simulated) warnings.push(label("warn_simulated"));
  if (honesty.synthetic) warnings.push(label("warn_synthetic").replace("{share}", percent(honesty.synthetic)));
  if (honesty.status !== "finished") warnings.push(label("warn_unfinished").replace("{status}", honesty.status));
  if (honesty.treatment !== "delivered") warnings.push(label("warn_treatment").replace("{treatment}", honesty.treatment));
  if (honesty.fallbacks) warnings.push(label("warn_fallbacks").replace("{count}", honesty.fallbacks));
  warnings.push(...honesty.unproved);
  warnings.push(...honesty.problems);
  if (honesty.people.length) warnings.push(label("warn_people").replace("{names}", honesty.people.join(", ")));
  facts.push(["tier_mix", tierMix(honesty)], ["real_share", percent(honesty.real)], ["synthetic_share", percent(honesty.synthetic)],
    ["calls_made", `${honesty.calls.toLocaleString("en")}${honesty.cached ? ` + ${honesty.cached} ${label("calls_cached")}` : ""}`], ["calls_failed_all", honesty.failed.toLocaleString("en")],
    ["invalid", `${honesty.invalid.toLocaleString("en")} / ${honesty.decisions.toLocaleString("en")}`],
    ["invalid_acts", `${honesty.invalid_acts.toLocaleString("en")} / ${honesty.acts.toLocaleString("en")}`],
    ["empty_cut", `${honesty.empty.toLocaleString("en")} / ${honesty.cut.toLocaleString("en")}`], ["episodes", run.episodes.length.toLocaleString("en")], ["seed", run.seed]);
  const list = make("dl", undefined, { class: "facts" });
  for (const [key, value] of facts) list.append(fill(make("div"), make("dt", label(key)), make("dd", value)));
  $("honesty").className = warnings.length ? "warned" : "";
  drawOverview();
  fill($("honesty"), ...warnings.map((text) => make("p", text, { class: "loud" })), list);
}

/* The answer block: sentences made in Python, the same as in the terminal and in notebooks. */
function drawAnswer({ title, sections }) {
  const parts = sections.map(({ key, lines }) => fill(make("div"), make("h3", label(`answer_${key}`)), ...lines.map((line) => make("p", line.text, { class: `answer-${line.kind}` }))));
  fill($("answer"), make("p", title, { class: "quiet" }), fill(make("div", undefined, { class: "answer-parts" }), ...parts));
}

/* The rules and the roster: what was played, and who hears whom. */
function drawSociety(run) {
  fill($("rules"), ...run.rules.flatMap((task) => {
    const numbers = Object.entries(task.parameters).map(([name, value]) => `${name} ${value}`);
    const facts = [`${label("steps_most")} ${task.steps}`, ...numbers, `${label("optimum")} ${number(task.optimum)}`, `${label("nash")} ${number(task.nash)}`];
    return [make("h3", `${task.task} (${task.game})`), make("p", task.rules), make("p", facts.join(" · "), { class: "quiet" })];
  }));
  const hears = (row) => Object.entries(row.heard_by).map(([mode, names]) => {
    const who = !names.length ? label("nobody") : names.length === run.network.nodes.length - 1 ? label("everybody") : names.join(", ");
    return Object.keys(row.heard_by).length > 1 ? `${label(mode)}: ${who}` : who;
  }).join("; ");
  const heads = ["model", "player", "roster_adapter", "role", "team", "specialization", "base_model", "heard_by"], body = make("tbody");
  for (const row of run.players) {
    const cells = [row.model, row.player, row.adapter, label(row.role), row.team || "–", row.specialization || "–", row.base_model || "–", hears(row)];
    body.append(fill(make("tr"), ...cells.map((cell) => make("td", cell, { class: "text" }))));
  }
  fill($("players-table"), fill(make("thead"), fill(make("tr"), ...heads.map((head) => make("th", label(head), { class: "text" })))), body);
  const left = run.network.nodes.length - run.players.length;
  $("players-more").textContent = left > 0 ? label("players_more").replace("{count}", left) : "";
}

/* All runs of the report in one table; a mean over episodes only where they are of one game, mode and tier. */
function drawOverview() {
  const heads = ["run", "mode", "tier_mix", "episodes", "messages_sent", "welfare_ratio", "gini"];
  const body = make("tbody");
  report.runs.forEach((run, place) => {
    const open = make("button", run.name, { type: "button", class: "link" });
    open.addEventListener("click", () => { $("run").value = String(place); openRun(place); });
    const rows = run.episodes.filter((row) => !row.synthetic && row.tier !== "human");
    const alike = unique(rows.map((row) => `${row.task} ${row.mode} ${row.tier}`)).length === 1 && !run.honesty.people.length;
    const mean = (of) => rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
    const cells = [label(run.mode), tierMix(run.honesty), run.episodes.length, run.messages.toLocaleString("en"),
      alike && rows[0].welfare_ratio !== null ? percent(mean((row) => row.welfare_ratio)) : label("apart"), alike ? number(rows.some((row) => row.gini === null) ? null : mean((row) => row.gini)) : label("apart")];
    const line = make("tr", undefined, place === state.run ? { "aria-current": "true" } : {});
    body.append(fill(line, fill(make("td"), open), ...cells.map((cell) => make("td", cell))));
  });
  const head = fill(make("thead"), fill(make("tr"), ...heads.map((key) => make("th", label(key)))));
  $("overview").hidden = report.runs.length < 2;
  fill($("overview"), make("h2", label("overview")), fill(make("div", undefined, { class: "scroll", tabindex: "0" }), fill(make("table"), head, body)), make("p", label("overview_note"), { class: "quiet" }));
}

/* Every metric that applies to the run; its meaning and source are beside its first value. */
function drawMetrics({ rows, notes }) {
  const heads = ["metric", "of", "value", "meaning", "source"], body = make("tbody");
  rows.forEach((row, at) => {
    const first = !at || rows[at - 1].metric !== row.metric, { interval } = row;
    const value = interval && interval.low !== null ? `${number(row.value)} [${number(interval.low)}, ${number(interval.high)}], n ${interval.n}` : row.value && Math.abs(row.value) < 1e-3 ? row.value.toPrecision(3) : number(row.value);
    const cells = [first ? row.metric : "", row.part, value, first ? row.meaning : "", first ? row.source : ""];
    body.append(fill(make("tr"), ...cells.map((cell, place) => make("td", cell, place === 2 ? {} : { class: "text" }))));
  });
  fill($("metrics-table"), fill(make("thead"), fill(make("tr"), ...heads.map((head, place) => make("th", label(`metrics_${head}`), place === 2 ? {} : { class: "text" })))), body);
  $("metrics-notes").textContent = notes.join("; ");
}

const tierMix = (honesty) => Object.entries(honesty.tiers).map(([tier, count]) => `${tier} ${count.toLocaleString("en")}`).join(", ") || "–";

function drawHead(run) {
  $("title").textContent = run.scenario;
  $("subtitle").textContent = `${run.name} · ${label(run.mode)} · ${label("roster")} ${run.roster} · ${run.started}`;
  $("foot").textContent = `LoRA Society ${report.version} · ${Object.entries(run.versions).map(([name, version]) => `${name} ${version}`).join(" · ")}`;
}

function drawControls(run) {
  options($("outcome-figure"), FIGURES.map((name) => [name, label(name)]), $("outcome-figure").value);
  options($("outcome-by"), ["model", "adapter", "role", "team", "mode"].filter((by) => run.standings.some((row) => row.by === by)).map((name) => [name, label(name)]), $("outcome-by").value);
  options($("course-figure"), COURSE.map((name) => [name, label(name)]), $("course-figure").value);
  options($("course-part"), unique(run.lines.map(coursePart)).map((name) => [name, name]), $("course-part").value);
}

function drawNav() {
  const seen = SECTIONS.filter((id) => STUDIES.includes(id) ? report[id].length : report.runs.length && !$(id).hidden);
  fill($("nav"), ...seen.map((id) => make("a", label(id), { href: `#${id}` })));
}

/* A section is drawn when it becomes visible: sections far below must not delay the page. */
const DRAW = {
  outcomes: () => drawOutcomes(current()),
  course: () => { drawCourse(current()); drawWelfare(current()); },
  spread: () => drawSpread(current()),
  network: () => drawNetwork(current()),
  calls: () => drawCalls(current()),
  trainings: () => drawTrainings(report.trainings),
};
const stale = new Set(), inSight = new Set();
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) isIntersecting ? inSight.add(target.id) : inSight.delete(target.id);
  drawInSight();
}, { rootMargin: "300px" });

let drawing = Promise.resolve();

/* One after the other: a drawn section may push the next one out of view. */
function drawInSight() {
  if (stale.has("network") && inSight.has("network")) drawNow("network");
  drawing = drawing.then(async () => {
    const next = () => [...stale].find((id) => inSight.has(id));
    for (let id = next(); id; id = next()) {
      drawNow(id);
      await frame();
    }
  });
}

function drawNow(id) { stale.delete(id); DRAW[id](); }

function drawAgain(id) { stale.add(id); drawInSight(); }

function drawAll() { for (const id of [...stale]) drawNow(id); }

function draw() {
  showLabels();
  drawFingerprints(report.fingerprints);
  drawTournaments(report.tournaments);
  drawStudies(report.studies);
  if (report.trainings.length) { fill($("trainings"), make("h2", label("trainings"))); stale.add("trainings"); }
  if (!report.runs.length) {
    $("title").textContent = unique(STUDIES.flatMap((id) => report[id].map((each) => each.banner.title))).join(", ");
    $("honesty").hidden = $("answer").hidden = true;
    drawNav();
    drawInSight();
    return;
  }
  const run = current();
  $("spread").hidden = !run.ribbons.length && !run.trees.length;
  drawNav();
  drawHead(run);
  drawAnswer(run.answer);
  drawHonesty(run);
  drawSociety(run);
  drawControls(run);
  drawMetrics(run.metrics);
  for (const id of Object.keys(DRAW)) if (id !== "trainings" || report.trainings.length) stale.add(id);
  drawInSight();
  if (texts.data) { fillFilters(); filterTexts(); if (texts.chosen >= 0) choose(texts.chosen); }
}

function setTheme(theme) { state.theme = theme; document.documentElement.dataset.theme = theme; }

async function openRun(place) {
  state.run = place;
  texts.data = null;
  draw();
  beginNetwork(current());
  fill($("detail"), make("p", label("choose"), { class: "quiet" }));
  await loadTexts(current(), place);
}

function wire() {
  $("theme").addEventListener("click", () => { setTheme(state.theme === "dark" ? "light" : "dark"); draw(); });
  $("language").addEventListener("click", () => { state.language = state.language === "en" ? "zh" : "en"; draw(); });
  $("run").addEventListener("input", () => openRun(Number($("run").value)));
  for (const id of ["outcome-figure", "outcome-by"]) $(id).addEventListener("input", () => drawAgain("outcomes"));
  for (const id of ["course-figure", "course-part"]) $(id).addEventListener("input", () => drawAgain("course"));
  let waiting = 0;
  window.addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(() => { for (const id of inSight) stale.add(id); drawInSight(); if (report.runs.length) drawRows(); }); });
  window.addEventListener("beforeprint", drawAll);
  for (const id of Object.keys(DRAW)) sight.observe($(id));
  wireNetwork(current);
  wireTexts();
}

async function begin() {
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  report = await unpack("summary");
  state.labels = report.labels;
  if (navigator.language.startsWith("zh")) state.language = "zh";
  options($("run"), report.runs.map((run, place) => [String(place), run.name]), "0");
  $("run").parentElement.hidden = report.runs.length < 2;
  if (!report.runs.length) for (const id of ["outcomes", "society", "course", "spread", "network", "messages", "calls", "metrics"]) $(id).hidden = true;
  wire();
  if (report.runs.length) await openRun(0); else draw();
  document.documentElement.dataset.ready = "true";
}

begin();
