"use strict";

// A foldable tree; leaves point at one another, and following a pointer unfolds the way.
class Tree {
  constructor(panel) {
    this.ways = new Map();  // leaf id -> the details that must be open
    this.names = new Map();
    this.details = new Map();  // branch -> its details
    this.walk(panel.root, []);
    this.box = element("div", { class: "tree" }, this.branch(panel.root));
    // Open until there is something to choose from.
    let few = [panel.root];
    while (few.length > 0 && few.length < 4) {
      few.forEach((branch) => this.open(branch));
      few = few.flatMap((branch) => branch.branches);
    }
  }

  open(branch) {
    const details = this.details.get(branch);
    details.open = true;
    details.build();
  }

  walk(branch, way) {
    const longer = [...way, branch];
    for (const [id, label] of branch.leaves) {
      this.ways.set(id, longer);
      this.names.set(id, label);
    }
    for (const child of branch.branches) this.walk(child, longer);
  }

  branch(branch) {
    const made = folded([branch.label + " ", element("span", { class: "note" }, branch.note)], () => {
      const parts = branch.branches.map((child) => this.branch(child));
      if (branch.leaves.length) {
        parts.push(element("ul", {}, ...branch.leaves.map((leaf) => this.leaf(leaf))));
      }
      return parts;
    });
    this.details.set(branch, made);
    return made;
  }

  leaf([id, label, note, from]) {
    const item = element("li", { tabindex: "-1", "data-leaf": id }, `#${id} ${label} `,
      element("span", { class: "note" }, note));
    const known = from.filter((source) => this.names.has(source));
    if (known.length) item.append(element("span", { class: "note" }, " from "));
    known.forEach((source) => {
      const link = element("button", { type: "button" }, `#${source} ${this.names.get(source)}`);
      link.addEventListener("click", () => this.goTo(source));
      item.append(link);
    });
    return item;
  }

  goTo(id) {
    for (const branch of this.ways.get(id)) this.open(branch);
    for (const old of this.box.querySelectorAll(".found")) old.classList.remove("found");
    const item = this.box.querySelector(`[data-leaf="${id}"]`);
    item.classList.add("found");
    item.scrollIntoView({ block: "center" });
    item.focus();
  }
}

function treePanel(panel) {
  const tree = new Tree(panel);
  return element("figure", {}, element("figcaption", {}, panel.title), tree.box);
}
