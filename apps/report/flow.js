"use strict";

// Who feeds whom: arcs between layers, as wide as what they carry, colored by its direction.
class Flow {
  constructor(panel) {
    this.panel = panel;
    this.most = Math.max(...panel.edges.map((edge) => (finite(edge.weight) ? edge.weight : 0)), 1e-300);
    this.box = element("div", { class: "flow" });
    this.line = element("output", { "aria-live": "polite" }, "Choose a layer to see what it is fed.");
    this.notes = element("ul", {});
    this.chosen = null;
  }

  svg(name, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  draw() {
    const width = this.box.clientWidth;
    if (width === 0) return;
    const count = this.panel.nodes.length;
    const room = Math.min(width - 48, 150 * (count - 1));
    const x = (node) => 24 + (count > 1 ? (room * node) / (count - 1) : 0);
    const height = Math.min(room * 0.42, 300) + 50;
    const base = height - 30;
    const shade = ramp("minus", "middle", "plus");
    const arcs = this.panel.edges.filter((edge) => finite(edge.weight)).map((edge) => {
      const [from, to] = [x(edge.from), x(edge.to)];
      const rise = Math.min(((to - from) / Math.max(room, 1)) * (base - 24) + 14, base - 10);
      const faded = this.chosen !== null && edge.to !== this.chosen;
      return this.svg("path", {
        d: `M ${from} ${base} C ${from} ${base - rise * 1.3} ${to} ${base - rise * 1.3} ${to} ${base}`,
        stroke: css(shade(0.5 + 0.5 * (finite(edge.direction) ? this.vivid(edge.direction) : 0))),
        "stroke-width": 1 + 9 * (edge.weight / this.most), class: faded ? "faded" : "",
      });
    });
    const radius = Math.max(Math.min(14, room / count / 2.4), 5);
    const nodes = this.panel.nodes.map((name, i) => this.node(i, name, x(i), base, radius));
    const drawing = this.svg("svg", { width: room + 48, height, role: "group", "aria-label": this.panel.title },
      ...arcs, ...nodes);
    const focused = this.box.contains(document.activeElement);
    this.box.replaceChildren(drawing);
    if (focused) nodes[this.chosen ?? 0].focus();
  }

  // Weak directions keep a color that can be seen.
  vivid(direction) { return Math.sign(direction) * (0.35 + 0.65 * Math.abs(direction)); }

  node(i, name, x, y, radius) {
    const current = this.chosen ?? 0;
    const node = this.svg("g", {
      tabindex: i === current ? "0" : "-1", role: "button", class: i === this.chosen ? "chosen" : "",
      "aria-label": `what feeds ${name}`, "aria-pressed": String(i === this.chosen),
    }, this.svg("circle", { cx: x, cy: y, r: radius }));
    if (radius > 6) {
      node.append(this.svg("text", { x, y: y + 4.5 }, String(i)));
    }
    node.addEventListener("click", () => this.choose(i));
    node.addEventListener("keydown", (event) => {
      const next = { ArrowLeft: i - 1, ArrowRight: i + 1, Enter: i, " ": i }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      if (next >= 0 && next < this.panel.nodes.length) this.choose(next);
    });
    return node;
  }

  choose(i) {
    this.chosen = i;
    this.draw();
    const incoming = this.panel.edges.filter((edge) => edge.to === i);
    this.line.textContent = incoming.length ? `What feeds ${this.panel.nodes[i]}:`
      : `Nothing but the stream feeds ${this.panel.nodes[i]}.`;
    this.notes.replaceChildren(...incoming.map((edge) => element("li", {}, edge.note)));
  }
}

function flowPanel(panel) {
  const flow = new Flow(panel);
  queueMicrotask(() => keepDrawn(flow.box, () => flow.draw()));
  const legend = element("div", { class: "legend" }, element("span", {}, "width: how much"),
    ...legendBar("color: against the layer's own", "along it", "minus", "middle", "plus"));
  return element("figure", {}, element("figcaption", {}, panel.title), flow.box, legend, flow.line,
    flow.notes);
}
