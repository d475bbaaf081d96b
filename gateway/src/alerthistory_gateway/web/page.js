// Shows what happened lately and keeps it fresh. Texts of alerts come from strangers: they are only ever set as text.
"use strict";

const REFRESH_MS = 10000;
const PATIENCE_MS = 8000;
const LONGEST_TEXT = 600;
const SVG = "http://www.w3.org/2000/svg";
// Directional controls can make a text read as another one; shown by name they cannot.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const byId = (id) => document.getElementById(id);

// --- Texts

function text(value) {
  if (value === null || value === undefined) return "";
  const whole = typeof value === "string" ? value : JSON.stringify(value);
  const shown = whole.length > LONGEST_TEXT ? `${whole.slice(0, LONGEST_TEXT)}…` : whole;
  return shown.replace(CONTROLS, (each) => `‹U+${each.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`);
}

function element(name, content = "", attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(content);
  return made;
}

function drawn(name, attributes, content = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(content);
  return made;
}

function time(value) {
  if (typeof value !== "string" || value.startsWith("0001-")) return "";
  return element("time", value.slice(0, 19).replace("T", " "), { datetime: value });
}

function link(address, content) {
  let url = null;
  try { url = new URL(address); } catch { /* Not a link. */ }
  if (url === null || !["http:", "https:"].includes(url.protocol)) return element("bdi", content);
  return element("a", element("bdi", content), { href: url.href, rel: "noopener noreferrer", "data-focus": "source" });
}

function say(id, words, kind = "") {
  const place = byId(id);
  // The same words again would be read out again.
  if (place.textContent !== words) place.textContent = words;
  place.className = `state ${kind}`;
}

// --- Requests

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE_MS), ...options });
  } catch (error) {
    throw new Error(error.name === "TimeoutError" ? "no answer in time" : "Alert History cannot be reached");
  }
  const content = await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(`${reason(content)} (${answer.status})`);
  if (content === null) throw new Error("the answer is not readable");
  return content;
}

function reason(content) {
  const detail = content === null ? null : content.detail;
  if (Array.isArray(detail)) return detail.map((each) => `${text(each.loc.at(-1))}: ${text(each.msg)}`).join("; ");
  return text(detail) || "refused";
}

// --- Lists that change in place, so that focus, scroll position and opened details stay

function update(list, items, key, build) {
  const focused = document.activeElement;
  const held = list.contains(focused) ? focused.closest("[data-key]").dataset.key : null;
  const handle = held === null ? null : focused.dataset.focus;
  const before = new Map([...list.children].map((each) => [each.dataset.key, each]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const content = JSON.stringify(item);
    let row = before.get(name);
    before.delete(name);
    if (row === undefined || row.content !== content) {
      const fresh = build(item);
      fresh.dataset.key = name;
      fresh.content = content;
      if (row !== undefined) {
        const opened = row.querySelector("details[open]");
        if (opened !== null && fresh.querySelector("details") !== null) fresh.querySelector("details").open = true;
        if (row === place) place = fresh;
        row.replaceWith(fresh);
      }
      row = fresh;
    }
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
  }
  for (const gone of before.values()) gone.remove();
  if (held === null || list.contains(document.activeElement)) return;
  const row = [...list.children].find((each) => each.dataset.key === held);
  row?.querySelector(`[data-focus="${handle}"]`)?.focus({ preventScroll: true });
}

function occurrence(alert) {
  return JSON.stringify([alert.fingerprint, alert.starts_at]);
}

// --- Overview

function showOverview(figures) {
  for (const place of document.querySelectorAll("[data-figure]")) {
    const value = figures[place.dataset.figure];
    place.textContent = typeof value === "number" ? value.toLocaleString("en") : text(value).replaceAll("_", " ");
  }
  document.querySelector('[data-figure="active_alerts"]').classList.toggle("alarming", figures.active_alerts > 0);
  document.querySelector('[data-figure="failed_publishes"]').classList.toggle("alarming", figures.failed_publishes > 0);
  say("overview-state", "");
  byId("overview").hidden = false;
}

// --- Charts

function showCharts(charts) {
  const hours = charts.alert_timeline;
  const firing = hours.reduce((sum, hour) => sum + hour.firing_alerts, 0);
  const resolved = hours.reduce((sum, hour) => sum + hour.resolved_alerts, 0);
  const top = charts.top_alerts_by_frequency;
  const isEmpty = firing + resolved === 0 && top.length === 0;
  say("charts-state", isEmpty ? "No alert in the last 24 hours." : "");
  byId("charts").hidden = isEmpty;
  const words = `${firing + resolved} alerts by hour: ${firing} firing (red), ${resolved} resolved (green).`;
  if (byId("timeline-caption").textContent !== words) byId("timeline-caption").textContent = words;
  byId("timeline").replaceChildren(...bars(hours));
  update(byId("top"), top, (each) => JSON.stringify([each.alert_name, each.namespace]), topAlert);
}

function bars(hours) {
  const [left, top, width, height] = [24, 10, 452, 92];
  const most = Math.max(1, ...hours.map((hour) => hour.firing_alerts + hour.resolved_alerts));
  const step = width / Math.max(1, hours.length);
  const shapes = [
    drawn("line", { x1: left, y1: top + height, x2: left + width, y2: top + height }),
    drawn("text", { x: left - 4, y: top + 4, "text-anchor": "end" }, String(most)),
    drawn("text", { x: left - 4, y: top + height, "text-anchor": "end" }, "0"),
  ];
  hours.forEach((hour, index) => {
    const x = left + index * step + step * 0.1;
    const clock = text(hour.timestamp).slice(11, 16);
    let y = top + height;
    for (const [kind, count] of [["firing", hour.firing_alerts], ["resolved", hour.resolved_alerts]]) {
      const tall = (count / most) * height;
      y -= tall;
      if (count === 0) continue;
      const bar = drawn("rect", { class: kind, x, y, width: step * 0.8, height: tall });
      bar.append(drawn("title", {}, `${clock}: ${count} ${kind}`));
      shapes.push(bar);
    }
    if (index % 6 === 0) shapes.push(drawn("text", { x, y: top + height + 12 }, clock));
  });
  return shapes;
}

function topAlert(alert) {
  const item = element("li", element("bdi", text(alert.alert_name)));
  const where = text(alert.namespace);
  item.append(element("small", ` ×${alert.count}${where ? ` in ${where}` : ""}`));
  return item;
}

// --- Alerts

function showAlerts(answer) {
  const seen = new Map();
  const key = (alert) => {
    const number = (seen.get(occurrence(alert)) || 0) + 1;
    seen.set(occurrence(alert), number);
    return `${occurrence(alert)}#${number}`;
  };
  update(byId("alerts"), answer.alerts, key, row);
  byId("alerts-table").hidden = answer.alerts.length === 0;
  const applied = answer.filters_applied;
  const isFiltered = applied.status || applied.severity || applied.namespace;
  const none = isFiltered ? "No recent alert matches." : "No alert has been received yet.";
  say("alerts-state", answer.alerts.length === 0 ? none : "");
}

function row(alert) {
  const annotations = alert.annotations || {};
  const cells = [
    ["Status", alert.status],
    ["Alert", link(source(alert), text(alert.alert_name))],
    ["Severity", text(alert.severity)],
    ["Namespace", text(alert.namespace)],
    ["Summary", text(annotations.summary) || text(annotations.description)],
    ["Verdict", verdict(alert)],
    ["Started", time(alert.starts_at)],
    ["Ended", time(alert.ends_at)],
  ];
  const line = element("tr", "", { role: "row" });
  for (const [column, content] of cells) line.append(element("td", content, { role: "cell", "data-column": column }));
  line.firstElementChild.className = alert.status === "firing" ? "firing" : "resolved";
  return line;
}

function verdict(alert) {
  if (alert.classified_severity === undefined) return "";
  const share = Math.round(alert.classified_confidence * 100);
  const made = element("details", element("summary", `${text(alert.classified_severity)} ${share} %`, { "data-focus": "verdict" }));
  made.append(element("p", text(alert.classified_reasoning)));
  return made;
}

// The list of the dashboard does not hold where an alert comes from; the history does.
const sources = new Map();

function source(alert) {
  return sources.get(occurrence(alert)) || "";
}

async function loadAlerts() {
  const filters = new FormData(byId("filters"));
  const query = new URLSearchParams({ include_classification: "true" });
  for (const [name, value] of filters) if (value !== "") query.set(name, value);
  const known = new URLSearchParams({ limit: query.get("limit") || "50" });
  if (query.has("status")) known.set("status", query.get("status"));
  const [answer, history] = await Promise.all([
    ask(`/api/dashboard/alerts/recent?${query}`),
    ask(`/history?${known}`).catch(() => ({ alerts: [] })),
  ]);
  sources.clear();
  for (const each of history.alerts) {
    sources.set(JSON.stringify([each.fingerprint, each.startsAt]), text(each.generatorURL));
  }
  for (const each of answer.alerts) each.generator_url = source(each);
  return answer;
}

// --- Mode

let isModeTouched = false;

function modeName(mode) {
  return text(mode).replaceAll("_", " ");
}

function showMode(current) {
  say("mode-state", `Now: ${modeName(current.mode)} (set in: ${text(current.source)}).`);
  if (!isModeTouched) byId("mode").elements.mode.value = current.mode;
}

async function switchMode(event) {
  event.preventDefault();
  const form = byId("mode");
  const button = form.querySelector("button");
  const body = JSON.stringify({ mode: form.elements.mode.value });
  button.disabled = true;
  say("mode-result", "Switching…");
  try {
    const headers = { "content-type": "application/json", accept: "application/json" };
    const current = await ask("/enrichment/mode", { method: "POST", headers, body });
    isModeTouched = false;
    showMode(current);
    say("mode-result", `The mode is now ${modeName(current.mode)}.`, "success");
  } catch (error) {
    say("mode-result", `The mode could not be switched: ${error.message}.`, "problem");
  }
  button.disabled = false;
  button.focus({ preventScroll: true });
}

// --- Keeping fresh

const PARTS = {
  overview: { name: "The overview", load: () => ask("/api/dashboard/overview"), show: showOverview },
  mode: { name: "The enrichment mode", load: () => ask("/enrichment/mode"), show: showMode },
  charts: { name: "The last 24 hours", load: () => ask("/api/dashboard/charts?hours=24"), show: showCharts },
  alerts: { name: "The list of alerts", load: loadAlerts, show: showAlerts },
};
const latest = {};

async function refresh(part) {
  const { name, load, show } = PARTS[part];
  const number = (latest[part] || 0) + 1;
  latest[part] = number;
  try {
    const content = await load();
    if (latest[part] === number) show(content);
  } catch (error) {
    if (latest[part] !== number) return;
    say(`${part}-state`, `${name} cannot be loaded: ${error.message}. Trying again.`, "problem");
  }
}

async function refreshAll() {
  if (document.hidden) return;
  await Promise.all(Object.keys(PARTS).map(refresh));
}

async function keepFresh() {
  await refreshAll();
  setTimeout(keepFresh, REFRESH_MS);
}

function rememberFilters() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(byId("filters"))) {
    if (value !== "" && !(name === "limit" && value === "50")) query.set(name, value);
  }
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
}

function recallFilters() {
  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = byId("filters").elements.namedItem(name);
    if (field !== null && "value" in field) field.value = value;
  }
}

function filter(event) {
  event.preventDefault();
  if (!byId("filters").checkValidity()) return;
  rememberFilters();
  refresh("alerts");
}

recallFilters();
byId("filters").addEventListener("submit", filter);
byId("filters").addEventListener("change", filter);
byId("mode").addEventListener("submit", switchMode);
byId("mode").addEventListener("change", () => { isModeTouched = true; });
document.addEventListener("visibilitychange", refreshAll);
keepFresh();
