"use strict";
/* Who talked to whom: a canvas of models on a circle, links as thick as they were busy up to the chosen step. */
const net = { near: -1 };

function beginNetwork(run) {
  const slider = $("network-step");
  slider.max = String(run.network.bins.length - 1);
  slider.value = slider.max;
  net.near = -1;
  $("network-out").textContent = run.network.left_out ? label("left_out").replace("{count}", run.network.left_out) : "";
  drawNetwork(run);
}

function heardUntil(run, last) {
  const total = new Array(run.network.links.length).fill(0);
  for (let at = 0; at <= last; at++) run.network.heard[at].forEach((count, link) => { total[link] += count; });
  return total;
}

function spot(node, canvas) {
  const half = Math.min(canvas.clientWidth * 0.36, canvas.clientHeight * 0.40);
  return [canvas.clientWidth / 2 + node.x * half, canvas.clientHeight / 2 + node.y * half];
}

function drawNetwork(run) {
  const canvas = $("network-canvas"), context = canvas.getContext("2d"), ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio; canvas.height = canvas.clientHeight * ratio;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  const last = Number($("network-step").value), { nodes, links, bins } = run.network, total = heardUntil(run, last);
  $("network-at").textContent = `1–${bins.length ? bins[last][1] : 1}`;
  const most = Math.max(1, ...total), teams = unique(nodes.map((node) => node.team)), teamColour = (team) => TEAM_COLOURS[team] ?? colour(teams.indexOf(team));
  links.forEach(([from, to], at) => {
    if (!total[at]) return;
    const chosen = net.near < 0 || from === net.near || to === net.near;
    const [x, y] = spot(nodes[from], canvas), [u, v] = spot(nodes[to], canvas);
    context.beginPath();
    context.moveTo(x, y);
    context.quadraticCurveTo((x + u) / 2 + (v - y) * 0.12, (y + v) / 2 - (u - x) * 0.12, u, v);
    context.strokeStyle = teamColour(nodes[from].team);
    context.globalAlpha = (chosen ? 0.55 : 0.06) * Math.min(1, 0.25 + 12 / Math.sqrt(links.length));
    context.lineWidth = 0.6 + 4.4 * total[at] / most;
    context.stroke();
  });
  context.globalAlpha = 1;
  context.font = "12px system-ui, sans-serif";
  nodes.forEach((node, at) => {
    const [x, y] = spot(node, canvas);
    context.beginPath();
    context.arc(x, y, at === net.near ? 9 : nodes.length > 60 ? 3.5 : 7, 0, 7);
    context.fillStyle = teamColour(node.team);
    context.fill();
    if (nodes.length > 60 && at !== net.near) return;
    context.fillStyle = css("--ink");
    context.textAlign = node.x > 0.3 ? "left" : node.x < -0.3 ? "right" : "center";
    context.fillText(node.name, x + 13 * Math.sign(Math.abs(node.x) > 0.3 ? node.x : 0), y + 4 + (Math.abs(node.x) > 0.3 ? 0 : 20 * Math.sign(node.y)));
  });
  describeNetwork(run, last);
}

function timesUntil(counts, last, node) {
  return counts.slice(0, last + 1).reduce((sum, bin) => sum + (node < 0 ? bin.reduce((a, b) => a + b, 0) : bin[node]), 0);
}

function describeNetwork(run, last) {
  const { nodes } = run.network;
  const sent = timesUntil(run.network.sent, last, net.near), heard = timesUntil(run.network.got, last, net.near);
  const text = net.near < 0 ? label("network_all").replace("{count}", sent) :
    label("network_one").replace("{name}", nodes[net.near].name).replace("{role}", label(nodes[net.near].role)).replace("{team}", nodes[net.near].team || "–").replace("{sent}", sent).replace("{heard}", heard);
  $("network-text").textContent = text;
  $("network-canvas").setAttribute("aria-label", text);
}

function nearest(run, event) {
  const canvas = $("network-canvas"), box = canvas.getBoundingClientRect();
  let best = -1, least = 24;
  run.network.nodes.forEach((node, at) => {
    const [x, y] = spot(node, canvas), far = Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
    if (far < least) { least = far; best = at; }
  });
  return best;
}

function wireNetwork(current) {
  $("network-step").addEventListener("input", () => drawNetwork(current()));
  $("network-canvas").addEventListener("pointermove", (event) => { const at = nearest(current(), event); if (at !== net.near) { net.near = at; drawNetwork(current()); } });
  $("network-canvas").addEventListener("pointerleave", () => { net.near = -1; drawNetwork(current()); });
  $("network-canvas").addEventListener("keydown", (event) => {
    const turn = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], many = current().network.nodes.length;
    if (turn) { net.near = (net.near + turn + many + (net.near < 0 && turn < 0 ? 1 : 0)) % many; drawNetwork(current()); event.preventDefault(); }
  });
}
