"use strict";

const panels = {
  text: (panel) => element("p", {}, panel.text),
  facts: (panel) => element("dl", { class: "facts" }, ...panel.facts.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value)])),
  chart: chartPanel,
  curves: curvesPanel,
  heatMap: heatMapPanel,
  mapGrid: mapGridPanel,
  flow: flowPanel,
  table: (panel) => element("div", {}, panel.title ? element("h3", {}, panel.title) : "",
    tableOf(panel.columns, panel.rows)),
  tree: treePanel,
};

// How the page fared, for tests that render it: errors, canvases, and those left blank.
let errors = 0;
function tell() {
  const copy = document.createElement("canvas");
  const pen = copy.getContext("2d", { willReadFrequently: true });
  const blank = (canvas) => {
    if (canvas.width === 0 || canvas.height === 0) return true;
    copy.width = canvas.width;
    copy.height = canvas.height;
    pen.drawImage(canvas, 0, 0);
    const pixels = new Uint32Array(pen.getImageData(0, 0, copy.width, copy.height).data.buffer);
    return pixels.every((pixel) => pixel === pixels[0]);
  };
  const canvases = [...document.querySelectorAll("canvas")];
  const told = document.documentElement.dataset;
  told.errors = String(errors);
  told.canvases = String(canvases.length);
  told.blank = String(canvases.filter(blank).length);
  told.arcs = String(document.querySelectorAll(".flow path").length);
  told.width = String(window.innerWidth);
  // By how much anything that does not scroll is wider than its section.
  const beyond = (canvas) => canvas.closest(".scroller") ? 0
    : canvas.getBoundingClientRect().right - canvas.closest("section, body").getBoundingClientRect().right;
  told.overflow = String(Math.ceil(Math.max(0, ...canvases.map(beyond),
    document.documentElement.scrollWidth - window.innerWidth)));
}
window.addEventListener("error", () => {
  errors++;
  tell();
});

function showPage(report) {
  document.getElementById("top").append(element("h1", {}, report.title),
    element("p", { class: "subtitle" }, report.subtitle));
  document.getElementById("contents").append(element("ol", {}, ...report.sections.map((section) =>
    element("li", {}, element("a", { href: "#" + section.id }, section.heading)))));
  const content = document.getElementById("content");
  for (const section of report.sections) {
    const [, first, rest] = section.lookFor.match(/^(Look \w+ )?(.*)$/s);
    const lookFor = section.lookFor === "" ? [] : [element("p", { class: "look-for" },
      element("b", {}, first || ""), rest)];
    const made = element("section", { id: section.id }, element("h2", {}, section.heading), ...lookFor);
    content.append(made);
    for (const panel of section.panels) made.append(panels[panel.kind](panel));
  }
}

showPage(JSON.parse(document.getElementById("report-data").textContent));
// Once all is drawn, and again after the frames that sizes may still change in.
window.addEventListener("load", () => {
  tell();
  requestAnimationFrame(() => requestAnimationFrame(tell));
});
