"use strict";

// A map on a canvas: cells with labels at their rows and columns, a cursor that the mouse and the
// arrow keys move, and a line that says what is under it.
class CellMap {
  // rows, columns: their labels. paint(): for each drawing, a function from row and column to
  // [r, g, b]. mark(row, column): a short text to write into a cell, where it fits. say(row,
  // column): the line about a cell.
  constructor({ rows, columns, rowTitle, columnTitle, paint, mark, say, label, largest, moved }) {
    Object.assign(this, { rows, columns, rowTitle, columnTitle, paint, mark, largest });
    this.cursor = null;
    this.canvas = element("canvas", { tabindex: "0", role: "img", "aria-label": label });
    this.line = element("output", {}, "Arrow keys, or the mouse, read the cells.");
    this.say = say;
    this.moved = moved;
    this.box = element("div", { class: "map" }, this.canvas);
    this.canvas.addEventListener("mousemove", (event) => this.point(event));
    this.canvas.addEventListener("click", (event) => this.point(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  show(container) {
    this.forget = keepDrawn(container, () => this.draw(container.clientWidth));
  }

  layout(width) {
    const longest = (labels) => Math.max(...labels.map((label) => label.length));
    const letter = 6.7;
    this.left = Math.min(28 + letter * longest(this.rows), 120);
    this.top = Math.min(28 + letter * longest(this.columns), 110);
    const room = Math.max(width - this.left - 2, 60) / this.columns.length;
    this.cell = Math.min(room, this.largest);
    if (this.cell > 3) this.cell = Math.floor(this.cell);
    this.width = Math.ceil(this.left + this.cell * this.columns.length + 2);
    this.height = Math.ceil(this.top + this.cell * this.rows.length + 2);
  }

  draw(width) {
    if (width === 0) return;
    this.layout(width);
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = this.width * ratio;
    this.canvas.height = this.height * ratio;
    this.canvas.style.width = this.width + "px";
    this.canvas.style.height = this.height + "px";
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const paint = this.paint();
    for (let row = 0; row < this.rows.length; row++) {
      for (let column = 0; column < this.columns.length; column++) {
        this.drawCell(pen, row, column, paint(row, column));
      }
    }
    this.drawLabels(pen);
    if (this.cursor) {
      const [row, column] = this.cursor;
      pen.strokeStyle = color("focus");
      pen.lineWidth = 2;
      pen.strokeRect(this.left + column * this.cell - 1, this.top + row * this.cell - 1,
        this.cell + 2, this.cell + 2);
    }
  }

  drawCell(pen, row, column, rgb) {
    const [x, y] = [this.left + column * this.cell, this.top + row * this.cell];
    const gap = this.cell > 6 ? 0.5 : 0;
    pen.fillStyle = css(rgb);
    pen.fillRect(x, y, this.cell - gap, this.cell - gap);
    if (!this.mark || this.cell < 38) return;
    const [r, g, b] = rgb;
    pen.fillStyle = 0.3 * r + 0.59 * g + 0.11 * b > 140 ? "#111" : "#fff";
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(this.mark(row, column), x + this.cell / 2, y + this.cell / 2);
  }

  drawLabels(pen) {
    pen.fillStyle = color("soft");
    pen.font = "11px ui-monospace, Menlo, Consolas, monospace";
    pen.textBaseline = "middle";
    const every = Math.ceil(12 / this.cell);
    const shorten = (label, room) => {
      const most = Math.floor((room - 26) / 6.7);
      return label.length <= most ? label : label.slice(0, Math.max(most - 1, 1)) + "…";
    };
    pen.textAlign = "right";
    for (let row = 0; row < this.rows.length; row += every) {
      pen.fillText(shorten(this.rows[row], this.left), this.left - 4,
        this.top + (row + 0.5) * this.cell);
    }
    pen.textAlign = "left";
    for (let column = 0; column < this.columns.length; column += every) {
      pen.save();
      pen.translate(this.left + (column + 0.5) * this.cell, this.top - 4);
      pen.rotate(-Math.PI / 2);
      pen.fillText(shorten(this.columns[column], this.top), 0, 0);
      pen.restore();
    }
    pen.font = "bold 11px system-ui, sans-serif";
    pen.fillText(this.columnTitle + " →", this.left, 8);
    pen.save();
    pen.translate(8, this.height - 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText("← " + this.rowTitle, 0, 0);
    pen.restore();
  }

  point(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - bounds.left - this.left) / this.cell);
    const row = Math.floor((event.clientY - bounds.top - this.top) / this.cell);
    this.move(row, column);
  }

  key(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const [row, column] = this.cursor || [-step[0], -step[1]];
    this.move(row + step[0], column + step[1]);
  }

  move(row, column) {
    if (row < 0 || column < 0 || row >= this.rows.length || column >= this.columns.length) return;
    if (this.cursor && this.cursor[0] === row && this.cursor[1] === column) return;
    this.place(row, column);
    if (this.moved) this.moved(row, column);
  }

  place(row, column) {
    this.cursor = [row, column];
    this.draw(this.box.clientWidth);
    this.line.textContent = this.say(row, column);
  }
}

// A color with what it means.
function colorKey(name, text) {
  const shade = element("span", { class: "box" });
  shade.style.background = `var(--${name})`;
  return element("span", {}, shade, " " + text);
}

// What the colors of the future mean.
function causalKeys() {
  return [colorKey("future", "the future: 0"), colorKey("leak-1", "the future, but not 0: a leak")];
}

// A small matrix.
function heatMapPanel(panel) {
  const columns = panel.columnLabels.length;
  const at = (row, column) => panel.values[row * columns + column];
  const numbers = panel.values.filter(finite);
  const most = Math.max(...numbers.map(Math.abs), 1e-300);
  const least = panel.diverging ? -most : Math.min(0, ...numbers);
  const ramps = panel.diverging ? ["minus", "middle", "plus"] : ["map-0", "map-1", "map-2", "map-3"];
  const map = new CellMap({
    rows: panel.rowLabels, columns: panel.columnLabels, label: panel.title,
    rowTitle: panel.rowTitle, columnTitle: panel.columnTitle, largest: 46,
    paint: () => {
      const shade = ramp(...ramps);
      const empty = channels(color("future"));
      const bad = channels(color("leak-1"));
      const leak = ramp("leak-0", "leak-1");
      return (row, column) => {
        const value = at(row, column);
        if (panel.causal && column > row && finite(value)) {
          return value === 0 ? empty : leak(Math.sqrt(Math.abs(value) / most));
        }
        if (finite(value)) return shade((value - least) / (most - least));
        return value === "NaN" ? empty : bad;
      };
    },
    mark: (row, column) => (at(row, column) === "NaN" ? "" : shortNumber(at(row, column))),
    say: (row, column) => {
      const value = at(row, column);
      return `${panel.rowTitle} ${panel.rowLabels[row]}, ${panel.columnTitle} ` +
        `${panel.columnLabels[column]}: ${value === "NaN" ? "none" : formatted(value)}`;
    },
  });
  const legend = element("div", { class: "legend" },
    ...legendBar(formatted(least), formatted(most), ...ramps), ...(panel.causal ? causalKeys() : []));
  queueMicrotask(() => map.show(map.box));
  return element("figure", { class: columns <= 10 ? "small" : "wide" },
    element("figcaption", {}, panel.title), map.box, legend, map.line);
}

function shortNumber(value) {
  if (!finite(value) || value === 0) return String(value);
  const size = Math.abs(value);
  return size >= 1e4 || size < 5e-3 ? value.toExponential(0) : String(Number(value.toPrecision(2)));
}
