"use strict";
// Names of runs are always put into the page as text.

const at = (id) => document.getElementById(id);
const chosen = new Set();
let entries = [];
let shown = false;
let sorted = { key: "", down: true };

const COLUMNS = [
  ["name", "name", (entry) => entry.name],
  ["kind", "kind", (entry) => entry.kind],
  ["state", "state", (entry) => entry.state],
  ["games", "game and mode", (entry) => [entry.games, entry.mode.replace("_", " ")].filter(Boolean).join(", ")],
  ["tiers", "replies by tier", (entry) => Object.entries(entry.tiers).map(([tier, count]) => `${tier} ${count.toLocaleString("en")}`).join(", ") || (entry.simulated ? "simulated" : "–")],
  ["episodes", "episodes", (entry) => entry.episodes ?? ""],
  ["payoff", "payoff", (entry) => (entry.payoff === null ? "" : Number(entry.payoff.toPrecision(4)).toLocaleString("en"))],
  ["started", "date", (entry) => entry.started && new Date(entry.started).toLocaleString("sv").slice(0, 16)],
];
const NUMBERS = ["episodes", "payoff"];
const live = (entry) => entry.state === "running";
const address = (kind, path, end = "") => `${kind}/${path.split("/").map(encodeURIComponent).join("/")}${end}`;

function element(tag, text = "", classes = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

function link(text, href) {
  const made = element("a", text);
  made.href = href;
  return made;
}

function matching() {
  const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = at("kind").value;
  const texts = (entry) => `${entry.path} seed ${entry.seed} ${COLUMNS.map(([, , show]) => show(entry)).join(" ")}`.toLowerCase();
  const found = entries.filter((entry) => (!kind || entry.kind === kind) && words.every((word) => texts(entry).includes(word)));
  if (!sorted.key) return found;
  const value = (entry) => (sorted.key === "tiers" ? JSON.stringify(entry.tiers) : entry[sorted.key]);
  const order = (a, b) => (value(a) === null) - (value(b) === null) || (sorted.down ? -1 : 1) * (value(a) > value(b) ? 1 : value(a) < value(b) ? -1 : 0);
  return [...found].sort((a, b) => live(b) - live(a) || order(a, b));
}

function heading() {
  const row = element("tr");
  row.append(element("th", ""));
  for (const [key, title] of COLUMNS) {
    const cell = element("th", "", NUMBERS.includes(key) ? "number" : "");
    const mark = sorted.key === key ? (sorted.down ? " ▾" : " ▴") : "";
    const button = element("button", title + mark, "plain");
    button.type = "button";
    button.addEventListener("click", () => { sorted = { key, down: sorted.key === key ? !sorted.down : true }; draw(); });
    cell.setAttribute("aria-sort", sorted.key === key ? (sorted.down ? "descending" : "ascending") : "none");
    cell.append(button);
    row.append(cell);
  }
  const head = element("thead");
  head.append(row);
  return head;
}

function line(entry) {
  const row = element("tr", "", live(entry) ? "live" : "");
  const choose = element("input");
  choose.type = "checkbox";
  choose.checked = chosen.has(entry.path);
  choose.disabled = entry.kind !== "run" || live(entry);
  choose.setAttribute("aria-label", `choose ${entry.path} to compare`);
  choose.addEventListener("change", () => { chosen[choose.checked ? "add" : "delete"](entry.path); showChosen(); });
  const first = element("td");
  first.append(choose);
  row.append(first);
  for (const [key, , show] of COLUMNS) {
    const cell = element("td", key === "name" ? "" : show(entry), NUMBERS.includes(key) ? "number" : key === "tiers" && entry.simulated ? "warn" : "");
    if (key === "name") {
      cell.append(link(entry.name, address("report", entry.path)), element("small", entry.seed === null ? entry.path : `${entry.path}, seed ${entry.seed}`, "note"));
      if (live(entry)) cell.append(" ", link("watch", address("watch", entry.path, "/")));
    }
    row.append(cell);
  }
  return row;
}

function showChosen() {
  at("compare").disabled = chosen.size < 2;
  at("compare").textContent = chosen.size ? `Compare ${chosen.size} chosen` : "Compare chosen";
}

function draw() {
  const found = matching();
  const body = element("tbody");
  body.append(...found.map(line));
  at("entries").replaceChildren(heading(), body);
  at("count").textContent = `${found.length} of ${entries.length}`;
  showChosen();
}

async function load() {
  const begun = performance.now();
  const answer = await fetch("catalog").catch(() => null);
  const found = answer && answer.ok ? await answer.json().catch(() => null) : null;
  if (!found) {
    at("count").textContent = answer ? `the folder cannot be listed (error ${answer.status}); society view tries again` : "society view has ended: start it again";
    shown = false;
  } else {
    const changed = JSON.stringify(found.entries) !== JSON.stringify(entries);
    entries = found.entries;
    at("folder").textContent = found.folder;
    const kinds = [...new Set(entries.map((entry) => entry.kind))].sort();
    if (at("kind").options.length !== kinds.length + 1) at("kind").replaceChildren(...["", ...kinds].map((kind) => new Option(kind || "all", kind)));
    if (changed || !shown) draw();
    shown = true;
  }
  setTimeout(load, Math.max(3000, 10 * (performance.now() - begun)));  // a large folder is read less often
}

at("search").addEventListener("input", draw);
at("kind").addEventListener("change", draw);
at("compare").addEventListener("click", () => { location.href = `compare?${[...chosen].map((path) => `run=${encodeURIComponent(path)}`).join("&")}`; });
load();
