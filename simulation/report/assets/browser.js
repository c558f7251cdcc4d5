"use strict";
/* Messages and decisions: filtered by scanning columns, shown by drawing only the visible rows. */
const ROW = 54, SPARE = 6;
const texts = { data: null, lower: null, shown: new Uint32Array(0), chosen: -1, chunks: new Map(), run: 0 };

async function loadTexts(run, place) {
  texts.data = await unpack(`texts-${place}`);
  texts.lower = texts.data.said.map((text) => text.toLowerCase());
  texts.chunks = new Map(); texts.chosen = -1; texts.run = place;
  fillFilters();
  filterTexts();
}

function fillFilters() {
  const any = [["", label("any")]];
  for (const key of ["kind", "sender", "team", "tier"]) {
    const values = texts.data[key].values, select = $(`filter-${key}`);
    options(select, any.concat(values.map((value, code) => [String(code), key === "kind" ? label(value) : value || "–"])), select.value);
  }
}

function filterTexts() {
  const data = texts.data, asked = [];
  for (const key of ["kind", "sender", "team", "tier"]) if ($(`filter-${key}`).value !== "") asked.push([data[key].codes, Number($(`filter-${key}`).value)]);
  for (const key of ["episode", "step"]) if ($(`filter-${key}`).value !== "") asked.push([data[key], Number($(`filter-${key}`).value)]);
  const words = $("search").value.trim().toLowerCase(), found = new Uint32Array(data.said.length);
  let count = 0;
  next: for (let row = 0; row < data.said.length; row++) {
    for (const [column, value] of asked) if (column[row] !== value) continue next;
    if (words && !texts.lower[row].includes(words)) continue;
    found[count++] = row;
  }
  texts.shown = found.subarray(0, count);
  $("found").textContent = label("found").replace("{count}", count.toLocaleString("en")).replace("{all}", data.said.length.toLocaleString("en"));
  $("spacer").style.height = `${count * ROW}px`;
  $("list").scrollTop = 0;
  drawRows();
}

function drawRows() {
  const list = $("list"), first = Math.max(0, Math.floor(list.scrollTop / ROW) - SPARE);
  const last = Math.min(texts.shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + SPARE), rows = [];
  for (let at = first; at < last; at++) rows.push(drawRow(texts.shown[at], at));
  fill(list, $("spacer"), ...rows);
}

const at = (column, row) => column.values[column.codes[row]];

function drawRow(row, place) {
  const data = texts.data, kind = at(data.kind, row), element = make("div", undefined, { class: "row", role: "option", id: `row-${row}`, "aria-selected": String(row === texts.chosen) });
  element.style.top = `${place * ROW}px`;
  const head = make("div");
  head.append(make("small", `${label("episode")} ${data.episode[row]} · ${label("step")} ${data.step[row]}`), make("b", at(data.sender, row)), " ", badge(at(data.tier, row)));
  if (kind === "decision") head.append(" ", make("span", label("decides"), { class: "quiet" }));
  element.append(head, make("p", data.said[row] || label(kind === "decision" ? "not_legal" : "silent")));
  element.addEventListener("click", () => choose(row));
  return element;
}

const badge = (tier) => make("span", tier, { class: tier === "simulated" ? "badge made-up" : "badge" });

async function choose(row) {
  texts.chosen = row;
  drawRows();
  const data = texts.data, run = report.runs[texts.run], part = Math.floor(row / report.chunk);
  if (!texts.chunks.has(part)) texts.chunks.set(part, await unpack(`details-${texts.run}-${part}`));
  if (texts.chosen !== row) return;
  const [prompt, reply, audience] = texts.chunks.get(part)[row % report.chunk];
  const head = make("h3", at(data.sender, row)), facts = make("p", undefined, { class: "quiet" });
  facts.append(badge(at(data.tier, row)), ` ${at(data.adapter, row)} · ${label("episode")} ${data.episode[row]} · ${label("step")} ${data.step[row]} · ${label(at(data.kind, row))}`);
  const parts = [head, facts];
  if (at(data.kind, row) === "decision") parts.push(make("h3", label("action")), make("pre", data.said[row] || label("not_legal")));
  parts.push(make("h3", label("reply")), make("pre", reply || label("silent")));
  if (at(data.kind, row) === "message") parts.push(make("p", `${label("heard_by")}: ${audience.join(", ") || label("nobody")}`, { class: "quiet" }));
  if (prompt.length) for (const [role, text] of prompt) parts.push(make("h3", `${label("prompt")} · ${label(`role_${role}`)}`), make("pre", text));
  else parts.push(make("p", run.no_prompts ? `${label("no_prompt")}: ${run.no_prompts}` : label("not_asked"), { class: "quiet" }));
  fill($("detail"), ...parts).scrollTop = 0;
}

function move(turn) {
  if (!texts.shown.length) return;
  const place = texts.shown.indexOf(texts.chosen), next = Math.max(0, Math.min(texts.shown.length - 1, place < 0 ? 0 : place + turn)), list = $("list");
  if (next * ROW < list.scrollTop) list.scrollTop = next * ROW;
  if ((next + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (next + 1) * ROW - list.clientHeight;
  choose(texts.shown[next]);
}

function wireTexts() {
  for (const id of ["search", "filter-kind", "filter-sender", "filter-team", "filter-tier", "filter-episode", "filter-step"]) $(id).addEventListener("input", filterTexts);
  $("clear").addEventListener("click", () => { for (const id of ["search", "filter-kind", "filter-sender", "filter-team", "filter-tier", "filter-episode", "filter-step"]) $(id).value = ""; filterTexts(); });
  $("list").addEventListener("scroll", drawRows, { passive: true });
  $("list").addEventListener("keydown", (event) => {
    const turn = { ArrowDown: 1, ArrowUp: -1, PageDown: 9, PageUp: -9 }[event.key];
    if (turn) { move(turn); event.preventDefault(); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName)) { $("search").focus(); event.preventDefault(); }
  });
}
