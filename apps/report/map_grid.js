"use strict";

// Small pictures of many maps, one of which is shown large with its labels.
class MapGrid {
  constructor(panel) {
    this.panel = panel;
    this.side = Math.ceil(panel.labels.length / panel.factor);
    this.labels = [];
    for (let i = 0; i < panel.labels.length; i += panel.factor) this.labels.push(panel.labels[i]);
    this.maps = panel.cells.map((maps) => maps.map((map) => this.decoded(map)));
    this.large = element("div", { class: "large" });
    this.heading = element("h3", { "aria-live": "polite" });
    this.grid = element("div", { class: "grid" });
    this.buttons = panel.cells.map((_, i) => this.button(i));
    this.views = [];
  }

  // Codes of one byte, 254 sqrt(value); 255: not a number.
  decoded({ name, data }) {
    const codes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    let future = 0;
    for (let i = 0; i < codes.length; i++) {
      if (this.isFuture(Math.floor(i / this.side), i % this.side) && codes[i] !== 0) future++;
    }
    return { name, codes, future };
  }

  isFuture(row, column) { return this.panel.causal && column > row; }

  // Of the past, and exactly 0: what a pattern hides.
  isUnseen(map, row, column) {
    return this.panel.causal && column <= row && map.codes[row * this.side + column] === 0;
  }

  hasUnseen() {
    return this.maps.some((maps) => maps.some((map) => map.codes.some((_, i) =>
      this.isUnseen(map, Math.floor(i / this.side), i % this.side))));
  }

  static value(code) { return code === 255 ? NaN : (code / 254) ** 2; }

  // From a map to the colors of its cells.
  paint(map) {
    const seen = ramp("map-0", "map-1", "map-2", "map-3");
    const leak = ramp("leak-0", "leak-1");
    const bad = channels(color("leak-1"));
    const hidden = channels(color("future"));
    const unseen = channels(color("unseen"));
    return (row, column) => {
      const code = map.codes[row * this.side + column];
      if (code === 255) return bad;
      if (this.isUnseen(map, row, column)) return unseen;
      if (!this.isFuture(row, column)) return seen(code / 254);
      return code === 0 ? hidden : leak(code / 254);
    };
  }

  paintDifference(first, second) {
    const shade = ramp("minus", "middle", "plus");
    const hidden = channels(color("future"));
    return (row, column) => {
      const i = row * this.side + column;
      const [a, b] = [MapGrid.value(first.codes[i]), MapGrid.value(second.codes[i])];
      if (this.isFuture(row, column) && a === b) return hidden;
      const gap = b - a;
      return shade(0.5 + 0.5 * Math.sign(gap) * Math.sqrt(Math.abs(gap)));
    };
  }

  name(i) {
    const { gridRowTitle, gridColumnTitle, gridColumns } = this.panel;
    return `${gridRowTitle} ${Math.floor(i / gridColumns)}, ${gridColumnTitle} ${i % gridColumns}`;
  }

  button(i) {
    const canvas = element("canvas", { "aria-hidden": "true" });
    const leaks = this.maps[i].some((map) => map.future > 0);
    const button = element("button", {
      type: "button", "aria-pressed": "false", tabindex: i === 0 ? "0" : "-1",
      "aria-label": this.name(i) + (leaks ? ", reads the future" : ""), title: this.name(i),
      class: leaks ? "leaks" : null,
    }, canvas);
    button.addEventListener("click", () => this.choose(i));
    button.addEventListener("keydown", (event) => this.key(event, i));
    return button;
  }

  key(event, i) {
    const { gridColumns } = this.panel;
    const steps = { ArrowUp: -gridColumns, ArrowDown: gridColumns, ArrowLeft: -1, ArrowRight: 1 };
    const next = i + steps[event.key];
    if (!(event.key in steps)) return;
    event.preventDefault();
    if (next < 0 || next >= this.buttons.length) return;
    this.choose(next);
    this.buttons[next].focus();
  }

  drawSmall(width) {
    const { gridRows, gridColumns } = this.panel;
    const most = gridRows > 8 ? 44 : 72;
    const size = Math.min(Math.max(Math.floor((width - 34) / gridColumns) - 8, 20), most);
    this.buttons.forEach((button, i) => {
      const canvas = button.firstChild;
      canvas.width = this.side;
      canvas.height = this.side;
      canvas.style.width = canvas.style.height = size + "px";
      canvas.style.imageRendering = this.side <= size ? "pixelated" : "auto";
      const pen = canvas.getContext("2d");
      const image = pen.createImageData(this.side, this.side);
      const paint = this.paint(this.maps[i][0]);
      for (let cell = 0; cell < this.side * this.side; cell++) {
        image.data.set([...paint(Math.floor(cell / this.side), cell % this.side), 255], cell * 4);
      }
      pen.putImageData(image, 0, 0);
    });
  }

  label(i) {
    const first = this.panel.labels[i * this.panel.factor];
    const last = Math.min((i + 1) * this.panel.factor, this.panel.labels.length) - 1;
    return first + (last > i * this.panel.factor ? ` … ${this.panel.labels[last]}` : "");
  }

  view(caption, maps, paint, i) {
    const { rowTitle, columnTitle } = this.panel;
    const map = new CellMap({
      rows: this.labels, columns: this.labels, rowTitle, columnTitle, paint,
      label: `${caption} of ${this.name(i)}`, largest: 34,
      say: (row, column) => `${this.label(row)} reads ${this.label(column)}: ` +
        maps.map((one) => formatted(MapGrid.value(one.codes[row * this.side + column])))
          .join(" against ") + (this.isFuture(row, column) ? " (the future)" : ""),
      moved: (row, column) => {
        for (const other of this.views) if (other !== map) other.place(row, column);
      },
    });
    this.views.push(map);
    const most = maps[0].future;
    const badge = !this.panel.causal || maps.length > 1 ? "" : most === 0 ? element("span", { class: "soft" }, "nothing of the future")
      : element("span", { class: "bad" }, `reads the future in ${most} ${most === 1 ? "cell" : "cells"}`);
    const figure = element("figure", {}, element("figcaption", {}, caption), badge, map.box, map.line);
    figure.style.width = maps.length && this.maps[i].length > 1 ? "min(100%, 27rem)" : "min(100%, 40rem)";
    return { figure, map };
  }

  choose(i) {
    this.buttons.forEach((button, k) => {
      button.setAttribute("aria-pressed", String(k === i));
      button.tabIndex = k === i ? 0 : -1;
    });
    this.heading.textContent = this.name(i);
    for (const map of this.views) map.forget();
    this.views = [];
    const maps = this.maps[i];
    const shown = maps.map((map) => this.view(map.name, [map], () => this.paint(map), i));
    for (const other of maps.slice(1)) {
      const [a, b] = [maps[0].codes, other.codes];
      if (a.every((code, k) => code === b[k])) continue;
      shown.push(this.view(`${other.name}, less ${maps[0].name}`, [other, maps[0]],
        () => this.paintDifference(maps[0], other), i));
    }
    this.large.replaceChildren(...shown.map(({ figure }) => figure));
    for (const { map } of shown) map.show(map.box);
  }

  show(container) {
    const { gridRows, gridColumns, gridRowTitle, gridColumnTitle } = this.panel;
    const name = (text) => element("span", { class: "name" }, text);
    this.grid.style.gridTemplateColumns = `repeat(${gridColumns + 1}, auto)`;
    this.grid.append(name(""));
    for (let column = 0; column < gridColumns; column++) this.grid.append(name(String(column)));
    for (let row = 0; row < gridRows; row++) {
      this.grid.append(name(String(row)));
      this.grid.append(...this.buttons.slice(row * gridColumns, (row + 1) * gridColumns));
    }
    this.grid.setAttribute("role", "group");
    this.grid.setAttribute("aria-label", `one picture for each ${gridRowTitle} and ${gridColumnTitle}`);
    keepDrawn(container, () => this.drawSmall(container.clientWidth));
    const leaking = this.maps.findIndex((maps) => maps.some((map) => map.future > 0));
    this.choose(Math.max(leaking, 0));
  }
}

function mapGridPanel(panel) {
  const grid = new MapGrid(panel);
  const box = element("div", { class: "scroller" }, grid.grid);
  const legend = element("div", { class: "legend" },
    ...legendBar("0", "1 (the root is shaded)", "map-0", "map-1", "map-2", "map-3"),
    ...(panel.causal ? causalKeys() : []),
    ...(grid.hasUnseen() ? [colorKey("unseen", "the past, but exactly 0: not seen")] : []));
  const rows = `Rows are ${panel.gridRowTitle}s, columns ${panel.gridColumnTitle}s; arrow keys choose one.`;
  const reduced = panel.factor === 1 ? [] : [element("p", { class: "soft" },
    `Shown reduced: ${panel.labels.length} places on each side, each cell is the largest of ` +
    `${panel.factor} x ${panel.factor} values. The tensors file holds all.`)];
  queueMicrotask(() => grid.show(box));
  return element("figure", {}, element("figcaption", {}, panel.title),
    element("p", { class: "soft" }, rows), ...reduced, legend, box, grid.heading, grid.large);
}
