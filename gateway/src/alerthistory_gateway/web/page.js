// Shows the latest alerts and the enrichment mode, and keeps them fresh. Texts of alerts are never taken as HTML.
"use strict";

const REFRESH_MS = 10000;
const state = document.getElementById("state");
const rows = document.getElementById("alerts");

async function load(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

function text(value) {
  return typeof value === "string" ? value : "";
}

function when(value) {
  if (!value || value.startsWith("0001-")) return "";
  return value.slice(0, 19).replace("T", " ");
}

function name(alert) {
  let url = null;
  try { url = new URL(text(alert.generatorURL)); } catch { /* Not a link. */ }
  if (url === null || !["http:", "https:"].includes(url.protocol)) return document.createTextNode(alert.alertname);
  const link = document.createElement("a");
  link.href = url.href;
  link.rel = "noopener noreferrer";
  link.textContent = alert.alertname;
  return link;
}

function row(alert) {
  const line = document.createElement("tr");
  const annotations = alert.annotations || {};
  const cells = [
    alert.status,
    name(alert),
    text(alert.labels.severity),
    text(annotations.summary) || text(annotations.description),
    when(alert.startsAt),
    when(alert.endsAt),
  ];
  for (const content of cells) {
    const cell = document.createElement("td");
    cell.append(content);
    line.append(cell);
  }
  line.firstChild.className = alert.status;
  return line;
}

async function refresh() {
  try {
    const [history, enrichment] = await Promise.all([
      load("/history?limit=50"),
      load("/enrichment/mode").catch(() => null),
    ]);
    rows.replaceChildren(...history.alerts.map(row));
    rows.parentElement.hidden = history.total === 0;
    const mode = enrichment ? enrichment.mode.replaceAll("_", " ") : "unknown";
    state.textContent = history.total === 0
      ? `No alert has been received yet. Mode: ${mode}.`
      : `Mode: ${mode}. Times are UTC.`;
    state.className = "";
  } catch (error) {
    state.textContent = `Cannot load alerts: ${error.message}. Trying again.`;
    state.className = "problem";
  }
  setTimeout(refresh, REFRESH_MS);
}

refresh();
