"use strict";
/* A training: learning curves, modes, what became of each situation, gates, the league, and which version came from which. */
/* A mixed training: the share of each mode by update, and what each mode's episodes taught. */
function drawModes(place, training, axis) {
  if (!training.modes.length) return;
  const learners = unique(training.modes.map((row) => row.learner)), modes = unique(training.modes.map((row) => row.mode));
  const lines = (rows, key) => modes.map((mode, at) => { const mine = rows.filter((row) => row.mode === mode);
    return { x: mine.map((row) => row.update), y: mine.map((row) => row[key]), name: label(mode), mode: "lines+markers", line: { color: colour(at) } }; });
  const share = { ...axis, yaxis: { range: [0, 1.02], tickformat: ".0%" } };
  const first = training.modes.filter((row) => row.learner === learners[0]);
  Plotly.newPlot(chart(place), lines(first, "share"), layout(label("training_share"), share), CONFIG);
  for (const learner of learners) {
    const mine = training.modes.filter((row) => row.learner === learner);
    Plotly.newPlot(chart(place), lines(mine, "value"), layout(`${plain(learner)}: ${label("training_value")}`, axis), CONFIG);
    Plotly.newPlot(chart(place), lines(mine, "weight"), layout(`${plain(learner)}: ${label("training_weight")}`, share), CONFIG);
  }
}

function rowOf(cells, tag) { return fill(make("tr"), ...cells.map((cell) => make(tag || "td", cell))); }

/* Every decision of the gate: its verdict, and what each partner's pairs of episodes say. */
function drawGates(place, gates) {
  if (!gates.length) return;
  const heads = ["training_update", "model", "training_verdict", "training_partner", "training_difference", "training_pairs", "training_passed"];
  const bound = (row) => row.low === null || row.high === null || row.low === row.high ? number(row.difference, 3) : `${number(row.difference, 3)} [${number(row.low, 3)}, ${number(row.high, 3)}]`;
  const same = (one, other) => one && other && one.update === other.update && one.learner === other.learner;
  const rows = gates.flatMap((row, at) => {
    const head = same(row, gates[at - 1]) ? ["", "", ""] : [row.update, row.learner, label(`training_${row.verdict}`)];
    const line = rowOf([...head, row.partner, row.why ? `${bound(row)} ${row.why}` : bound(row), row.n || "", label(row.passed ? "training_yes" : "training_no")].map(String));
    const reason = fill(make("tr"), make("td", row.reason, { colspan: String(heads.length), class: "quiet", style: "white-space: normal" }));
    return same(row, gates[at + 1]) ? [line] : [line, reason];
  });
  place.append(make("h3", label("training_gates")), make("p", label("training_gates_note"), { class: "quiet" }),
    fill(make("div", undefined, { class: "scroll", tabindex: "0" }), fill(make("table"), fill(make("thead"), rowOf(heads.map((key) => label(key)), "th")), fill(make("tbody"), ...rows))));
}

/* A league: NashConv by round, what each policy earns against each of the other's, and the mixture. */
function drawLeague(place, league, axis) {
  if (!league) return;
  const rounds = league.rounds.filter((row) => row.learner === league.rounds[0].learner && row.nash_conv !== null);
  if (rounds.length) {
    const line = { x: rounds.map((row) => row.round), y: rounds.map((row) => row.nash_conv), name: "NashConv", mode: "lines+markers", line: { color: colour(0) } };
    Plotly.newPlot(chart(place), [line], layout(label("training_nash_conv"), { ...axis, xaxis: { title: { text: label("training_round") }, dtick: 1 }, yaxis: { rangemode: "tozero" } }), CONFIG);
  }
  for (const [learner, payoffs] of Object.entries(league.payoffs)) {
    const all = payoffs.flat(), low = Math.min(...all), spread = Math.max(...all) - low || 1;
    const chance = (who, at) => `${at} (${number(league.mixture[who][at], 2)})`;
    const other = Object.keys(league.mixture).find((name) => name !== learner);
    const cell = (value) => ({ found: { value, low: null }, why: "–", strength: (value - low) / spread });
    place.append(grid(`${learner}: ${label("training_matrix")}`, payoffs[0].map((_, at) => `${other} ${chance(other, at)}`), payoffs.map((row, at) => [`${learner} ${chance(learner, at)}`, row.map(cell)])));
  }
}

/* What each learner's objective earned by update, how a table of choices changed, and which version came from which. */
function drawTrainings(all) {
  const place = fill($("trainings"));
  if (!all.length) return;
  place.append(make("h2", label("trainings")));
  for (const training of all) {
    const learners = unique(training.updates.map((row) => row.learner)), title = `${training.scenario} · ${label(training.mode)} · ${training.method}`;
    place.append(make("h3", title), make("p", label(training.tabular ? "training_tables" : "training_adapters"), { class: "quiet" }));
    const of = (learner, key) => training.updates.filter((row) => row.learner === learner && row[key] !== null);
    const curve = (key) => learners.map((learner, at) => ({ x: of(learner, key).map((row) => row.update), y: of(learner, key).map((row) => row[key]), name: plain(learner), mode: "lines+markers", line: { color: colour(at) } }));
    const axis = { xaxis: { title: { text: label("training_update") } } };
    const ends = [Math.min(...training.updates.filter((row) => row.value !== null).map((row) => row.update)), Math.max(...training.updates.map((row) => row.update))];
    const known = training.known_answers.map((row) => ({ x: ends, y: [row.value, row.value], name: [label(`training_${row.answer.replace(" ", "_")}`), plain(row.learner)].join(" ").trim(), mode: "lines", line: { dash: "dash", width: 1.4, color: css("--quiet") } }));
    Plotly.newPlot(chart(place), [...curve("value"), ...known], layout(label("training_value"), axis), CONFIG);
    Plotly.newPlot(chart(place), curve("invalid"), layout(label("training_invalid"), { ...axis, yaxis: { range: [0, 1.02], tickformat: ".0%" } }), CONFIG);
    drawModes(place, training, axis);
    for (const learner of learners) {
      const mine = training.cells.filter((row) => row.learner === learner);
      if (!mine.length) continue;
      const situations = unique(mine.map((row) => row.situation)), updates = unique(mine.map((row) => row.update));
      const at = new Map(mine.map((row) => [`${row.update} ${row.situation}`, row.probability]));
      const heat = { type: "heatmap", x: updates, y: situations.map(plain), z: situations.map((situation) => updates.map((update) => at.get(`${update} ${situation}`))), zmin: 0, zmax: 1, colorscale: [[0, "#c44e3a"], [0.5, "#efe9dc"], [1, "#1f7a6b"]] };
      Plotly.newPlot(chart(place), [heat], layout(`${plain(learner)}: P(${plain(mine[0].choice)})`, { ...axis, height: 150 + 28 * situations.length, yaxis: { autorange: "reversed" } }), CONFIG);
    }
    drawGates(place, training.gates);
    drawLeague(place, training.league, axis);
    const last = learners.map((learner) => training.updates.filter((row) => row.learner === learner).slice(-1)[0]);
    place.append(fill(make("table"), ...last.map((row) => fill(make("tr"), make("td", row.learner), make("td", row.version), make("td", row.parent ? `${label("training_parent")} ${row.parent}` : "")))));
  }
}
