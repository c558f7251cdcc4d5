"use strict";
/* What all parts of the page use: unpacking, labels, theme, and elements made of text only. */
const $ = (id) => document.getElementById(id);

async function unpackText(name) {
  const packed = atob($(name).textContent), bytes = new Uint8Array(packed.length);
  for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const unpack = async (name) => JSON.parse(await unpackText(name));

const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

/* Text from a run is always set as text: it can contain anything. */
function make(tag, text, attributes) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  return element;
}

function fill(parent, ...children) { parent.replaceChildren(...children); return parent; }

function options(select, values, chosen) {
  fill(select, ...values.map(([value, text]) => make("option", text, { value })));
  if (values.some(([value]) => value === chosen)) select.value = chosen;
}

const state = { run: 0, language: "en", theme: "light", labels: {} };
const label = (key) => state.labels[state.language][key] ?? key;
const number = (value, digits = 3) => value === null || value === undefined ? "–" :
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toFixed(digits)));
const UNITS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
function seconds(value) {
  if (!value) return number(value);
  const [size, unit] = UNITS.find(([each]) => value >= each) ?? UNITS[2];
  return `${Number((value / size).toPrecision(3))} ${unit}`;
}
const percent = (value) => value === null || value === undefined ? "–" : `${(100 * value).toFixed(value > 0 && value < 0.01 ? 2 : 0)} %`;
const unique = (values) => [...new Set(values)];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function showLabels() {
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-label]")) element.textContent = label(element.dataset.label);
  for (const element of document.querySelectorAll("[data-label-title]")) element.setAttribute("aria-label", label(element.dataset.labelTitle));
}

const PALETTE = ["#26806e", "#be4a2f", "#4a6fb5", "#c8942a", "#7c5aa6", "#5b8c3a", "#b5517f", "#3f97b0", "#8a6d4b", "#6b7280"];
/* A team with the name of a colour has this colour. */
const TEAM_COLOURS = { red: PALETTE[1], blue: PALETTE[2], yellow: PALETTE[3], purple: PALETTE[4], green: PALETTE[5] };
const colour = (place) => PALETTE[place % PALETTE.length];
