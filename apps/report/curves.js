"use strict";

// Lines of several groups (runs): which picture, which x axis, which part and which groups are shown
// is chosen above and below them.
function curvesPanel(panel) {
  const chosen = { picture: 0, axis: 0, part: 0, scale: 0 };
  const hidden = new Set();
  let ahead = null;  // the group that stands out while its name is pointed at
  const canvas = element("canvas", { role: "img", "aria-label": panel.title });
  const box = element("div", { class: "chart tall-chart" }, canvas);
  let chart = null;
  const shown = () => curvesShown(panel, chosen, hidden);
  const draw = () => {
    if (chart) chart.destroy();
    chart = new Chart(canvas, {
      type: "line",
      data: { datasets: shown().map((line) => curveDataset(line, ahead)) },
      options: curvesOptions(panel, chosen),
    });
  };
  const numbers = element("div");
  const tell = () => {
    numbers.replaceChildren(folded(["The numbers"], () => [curvesTable(panel, shown())]));
  };
  const choice = (label, key, names) => {
    if (names.length < 2) return "";
    const select = element("select", {}, ...names.map((name) => element("option", {}, name)));
    select.addEventListener("change", () => {
      chosen[key] = select.selectedIndex;
      draw();
      tell();
    });
    return element("label", {}, label + " ", select);
  };
  const choices = element("div", { class: "choices" },
    choice("shown:", "picture", panel.pictures.map((picture) => picture.name)),
    choice("over:", "axis", panel.xTitles),
    choice("part:", "part", ["all", "second half"]),
    choice("scale:", "scale", ["linear", "logarithmic"]));
  const drawn = new Set(panel.pictures.flatMap((picture) => picture.lines.map((line) => line.group)));
  const legend = element("div", { class: "legend groups" }, ...panel.groups.map((name, group) =>
    !drawn.has(group) ? "" : curveLegend(panel, name, group, {
      toggle: (on) => {
        if (on) hidden.delete(group);
        else hidden.add(group);
        draw();
        tell();
      },
      point: (on) => {
        ahead = on ? group : null;
        draw();
      },
    })));
  keepDrawn(box, draw);
  tell();
  return element("figure", {}, element("figcaption", {}, panel.title), choices, box, legend, numbers);
}

const curveColors = 8;
const curveDashes = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
const curveColor = (panel, group) =>
  panel.references.includes(group) ? "soft" : "series-" + (group % curveColors);
const curveDash = (panel, group) => panel.references.includes(group) ? [5, 5]
  : curveDashes[Math.floor(group / curveColors) % curveDashes.length];

// The lines to be drawn, with their points on the chosen axis.
function curvesShown(panel, chosen, hidden) {
  const lines = panel.pictures[chosen.picture].lines.filter((line) => !hidden.has(line.group));
  const far = Math.max(0, ...lines.flatMap((line) => line.x[chosen.axis].filter(finite)));
  return lines.map((line) => ({
    ...line,
    label: panel.groups[line.group] + (line.name ? ", " + line.name : ""),
    color: curveColor(panel, line.group),
    dash: curveDash(panel, line.group),
    reference: panel.references.includes(line.group),
    points: line.y.map((y, i) => ({ x: line.x[chosen.axis][i], y, at: i }))
      .filter(({ x, y }) => finite(x) && finite(y) && (chosen.scale === 0 || y > 0) &&
        (chosen.part === 0 || x >= far / 2)),
  })).filter((line) => line.points.length > 0);
}

function curveDataset(line, ahead) {
  const behind = ahead !== null && ahead !== line.group;
  const ink = color(line.color) + (behind ? "30" : line.thin ? "a0" : "");
  return {
    label: line.label,
    data: line.points,
    borderColor: ink,
    backgroundColor: ink,
    borderDash: line.dash,
    borderWidth: (line.thin ? 1 : 2) + (ahead === line.group ? 1.5 : 0),
    // A line of one point would not be seen.
    pointRadius: !line.reference && (line.points.length === 1 ||
      (!line.thin && line.points.length <= 20)) ? 2.5 : 0,
    pointHitRadius: 6,
    order: ahead === line.group ? 0 : 1,
  };
}

// 1200000 as 1.2 M: of axes, whose numbers are round.
function shortened(value) {
  for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= 10 * size || (size > 1e3 && Math.abs(value) >= size)) {
      return Number((value / size).toPrecision(4)) + " " + letter;
    }
  }
  return String(Number(value.toPrecision(6)));
}

function curvesOptions(panel, chosen) {
  const options = chartOptions({
    xTitle: panel.xTitles[chosen.axis], yTitle: panel.yTitle, scale: "linear",
  });
  const { x, y } = options.scales;
  x.type = "linear";
  x.ticks.callback = shortened;
  x.ticks.maxRotation = 0;
  if (chosen.scale === 1) {
    y.type = "logarithmic";
    y.ticks.callback = (value) => formatted(value);
    y.ticks.autoSkip = true;
    y.ticks.maxTicksLimit = 8;
  }
  options.interaction = { mode: "nearest", axis: "xy", intersect: false };
  options.plugins.tooltip.callbacks = {
    title: ([item]) => `${panel.xTitles[chosen.axis]} ${formatted(item.raw.x)}`,
    label: (item) => `${item.dataset.label}: ${formatted(item.raw.y)}`,
  };
  return options;
}

function curveLegend(panel, name, group, { toggle, point }) {
  const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  line.setAttribute("viewBox", "0 0 28 6");
  line.setAttribute("class", "stroke");
  const stroke = document.createElementNS("http://www.w3.org/2000/svg", "path");
  stroke.setAttribute("d", "M0 3H28");
  stroke.setAttribute("stroke-dasharray", curveDash(panel, group).join(" "));
  stroke.style.stroke = `var(--${curveColor(panel, group)})`;
  line.append(stroke);
  const button = element("button", { type: "button", "aria-pressed": "true" }, line, " " + name);
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    toggle(on);
  });
  for (const [event, on] of [["mouseenter", true], ["focus", true], ["mouseleave", false],
    ["blur", false]]) {
    button.addEventListener(event, () => point(on));
  }
  return button;
}

function curvesTable(panel, lines) {
  const columns = ["line", ...panel.xTitles, panel.yTitle];
  return tableOf(columns, lines.flatMap((line) => line.points.map(({ y, at }) =>
    [line.label, ...line.x.map((axis) => ({ n: axis[at] })), { n: y }])));
}
