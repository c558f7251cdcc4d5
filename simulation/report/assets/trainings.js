"use strict";
/* A training: learning curves, modes, what became of each situation, gates, the league, and which version came from which. */
/* A mixed training: the share of each mode by update, and what each mode's episodes taught. */
function drawModes(place, training) {
  if (!training.modes.length) return;
  const learners = unique(training.modes.map((row) => row.learner)), modes = unique(training.modes.map((row) => row.mode)), xTitle = label("training_update");
  const lines = (rows, key) => modes.map((mode) => { const mine = rows.filter((row) => row.mode === mode);
    return { name: label(mode), x: mine.map((row) => row.update), y: mine.map((row) => row[key]) }; });
  const first = training.modes.filter((row) => row.learner === learners[0]);
  linesFigure(chart(place), label("training_share"), lines(first, "share"), { xTitle, share: true });
  for (const learner of learners) {
    const mine = training.modes.filter((row) => row.learner === learner);
    linesFigure(chart(place), `${learner}: ${label("training_value")}`, lines(mine, "value"), { xTitle });
    linesFigure(chart(place), `${learner}: ${label("training_weight")}`, lines(mine, "weight"), { xTitle, share: true });
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
function drawLeague(place, league) {
  if (!league) return;
  const rounds = league.rounds.filter((row) => row.learner === league.rounds[0].learner && row.nash_conv !== null);
  if (rounds.length) {
    const line = { name: "NashConv", x: rounds.map((row) => row.round), y: rounds.map((row) => row.nash_conv) };
    linesFigure(chart(place), label("training_nash_conv"), [line], { xTitle: label("training_round"), zero: true });
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
    const learners = unique(training.updates.map((row) => row.learner)), xTitle = label("training_update");
    place.append(banner(training.banner));
    const of = (learner, key) => training.updates.filter((row) => row.learner === learner && row[key] !== null);
    const curve = (key) => learners.map((learner) => ({ name: learner, x: of(learner, key).map((row) => row.update), y: of(learner, key).map((row) => row[key]) }));
    const ends = [Math.min(...training.updates.filter((row) => row.value !== null).map((row) => row.update)), Math.max(...training.updates.map((row) => row.update))];
    const known = training.known_answers.map((row) => ({ x: ends, y: [row.value, row.value], name: [label(`training_${row.answer.replace(" ", "_")}`), row.learner].join(" ").trim(), dash: "7 4", quiet: true }));
    linesFigure(chart(place), label("training_value"), [...curve("value"), ...known], { xTitle });
    linesFigure(chart(place), label("training_invalid"), curve("invalid"), { xTitle, share: true });
    drawModes(place, training);
    for (const learner of learners) {
      const mine = training.cells.filter((row) => row.learner === learner);
      if (!mine.length) continue;
      const situations = unique(mine.map((row) => row.situation)), updates = unique(mine.map((row) => row.update));
      const at = new Map(mine.map((row) => [`${row.update} ${row.situation}`, row.probability]));
      heatFigure(chart(place), `${learner}: P(${mine[0].choice})`, updates, situations, situations.map((situation) => updates.map((update) => at.get(`${update} ${situation}`))), xTitle);
    }
    drawGates(place, training.gates);
    drawLeague(place, training.league);
    const last = learners.map((learner) => training.updates.filter((row) => row.learner === learner).slice(-1)[0]);
    place.append(fill(make("table"), ...last.map((row) => fill(make("tr"), make("td", row.learner), make("td", row.version), make("td", row.parent ? `${label("training_parent")} ${row.parent}` : "")))));
  }
}
