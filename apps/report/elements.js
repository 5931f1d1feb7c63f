"use strict";

// An element with attributes and children; text is always text, never markup.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// Numbers come as numbers, those that are not finite as "NaN", "inf", "-inf".
function formatted(value) {
  if (typeof value === "string" || value === 0) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return String(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

const finite = (value) => typeof value === "number";

const color = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

// What is drawn is drawn again when its width or the colors of the page change, until the function
// that this gives back is called. (Widths change with the window alone: a ResizeObserver would also
// see what drawing itself changes.)
const drawn = new Set();
function keepDrawn(container, draw) {
  const entry = { container, draw, width: container.clientWidth };
  drawn.add(entry);
  draw();
  return () => drawn.delete(entry);
}
function redrawResized() {
  for (const entry of drawn) {
    const width = entry.container.clientWidth;
    if (width === entry.width) continue;
    entry.width = width;
    entry.draw();
  }
}
window.addEventListener("resize", redrawResized);
window.addEventListener("load", redrawResized);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const entry of drawn) entry.draw();
});

function channels(hex) {
  const bits = parseInt(hex.slice(1), 16);
  return [bits >> 16, (bits >> 8) & 255, bits & 255];
}

// A function from 0..1 to [r, g, b] through the named colors.
function ramp(...names) {
  const stops = names.map((name) => channels(color(name)));
  return (x) => {
    const at = Math.min(Math.max(x, 0), 1) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    return stops[low].map((from, i) => Math.round(from + (stops[low + 1][i] - from) * (at - low)));
  };
}

const css = ([r, g, b]) => `rgb(${r}, ${g}, ${b})`;

function gradient(...names) {
  return `linear-gradient(to right, ${names.map((name) => `var(--${name})`).join(", ")})`;
}

function legendBar(low, high, ...names) {
  const bar = element("span", { class: "bar" });
  bar.style.background = gradient(...names);
  return [low, bar, high];
}

// A number that was written with all its digits, or with its unit.
const isWrittenNumber = (value) => /^[-+]?\d[\d.:]*( [kMGT]?B)?$/.test(value);

function tableOf(columns, rows) {
  const isNumber = (value) => typeof value === "object" || isWrittenNumber(value);
  const heading = (name, i) => element("th", {
    scope: "col", class: rows.length > 0 && rows.every((row) => isNumber(row[i])) ? "number" : null,
  }, name);
  const cell = (value) => {
    if (value !== null && typeof value === "object") {
      return element("td", { class: "number" }, formatted(value.n));
    }
    if (isWrittenNumber(value)) return element("td", { class: "number" }, value);
    const place = /^[\w./-]+:\d+$/.test(value) || /^[\w-]+(\.[\w-]+)+$/.test(value);
    if (value === "failed") return element("td", { class: "bad" }, value);
    return element("td", { class: place ? "place" : value.length > 40 ? "long" : null }, value);
  };
  return element("div", { class: "scroller tall", tabindex: "0", role: "group", "aria-label": "table" },
    element("table", {},
      element("thead", {}, element("tr", {}, ...columns.map(heading))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell))))));
}

// A folded part that is made when it is first opened.
function folded(summary, make, attributes = {}) {
  const details = element("details", attributes, element("summary", {}, ...summary));
  let made = false;
  details.build = () => {
    if (made) return;
    made = true;
    details.append(...make());
  };
  details.addEventListener("toggle", () => details.open && details.build());
  return details;
}
