// What privacy buys and costs: the attack, the dose's error and a simulated month, by the privacy budget.

import {ask, describe, make} from "../dom.js";
import {budget} from "./form.js";

const TITLE = "Privacy against use, of the linear model";
const SIZE = [280, 188];
const EDGE = {left: 40, right: 12, top: 10, bottom: 44};
const PLOTS = [
  ["found", "genotypes named right", share => `${Math.round(100 * share)} %`],
  ["error", "dose off by, mg a week", value => value.toFixed(0)],
  ["events", "strokes and bleeds in 100 patient-years", value => value.toFixed(1)],
];

function svg(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text != null) element.textContent = text;
  return element;
}

/** Where the levels of one figure lie on a plot: {x, y, top}. Pure. */
export function placed(levels, key, floor = null) {
  const top = 1.1 * Math.max(...levels.map(l => l[key]), floor ?? 0);
  const width = SIZE[0] - EDGE.left - EDGE.right;
  const height = SIZE[1] - EDGE.top - EDGE.bottom;
  return {
    top,
    x: i => EDGE.left + (width * i) / (levels.length - 1),
    y: value => EDGE.top + height * (1 - value / top),
  };
}

export class Privacy {
  constructor() {
    this.box = make("section");
    this.box.hidden = true;
    this.epsilon = null;
  }

  async show(sensitive) {
    this.sensitive = sensitive;
    this.box.hidden = sensitive == null;
    if (sensitive == null) return;
    this.box.replaceChildren(make("h2", "", TITLE), make("p", "wb-note", "Training at ten privacy budgets …"));
    try {
      const found = await (await ask(`/wb/attributes/privacy.json?sensitive=${encodeURIComponent(sensitive)}`)).json();
      if (this.sensitive !== sensitive) return;
      this.found = found;
      this.draw();
    } catch (error) {
      this.box.replaceChildren(make("p", "wb-note", error.message));
    }
  }

  /** Marks a privacy budget. */
  at(epsilon) {
    this.epsilon = epsilon;
    if (this.found && !this.box.hidden) this.draw();
  }

  draw() {
    const {levels, floor, draws} = this.found;
    const here = levels.findIndex(l => l.epsilon === this.epsilon);
    const one = levels[here];
    const share = value => `${Math.round(100 * value)} %`;
    const said = [
      `With ${budget(one.epsilon)}, MAP names ${share(one.found)} of ${this.found.sensitive} right`,
      ` (marginals: ${share(floor)}); doses are off by ${one.error.toFixed(1)} mg a week, and a simulated month has the INR`,
      ` in range on ${share(one.in_range)} of days and ${one.events.toFixed(1)} strokes and bleeds in 100 patient-years.`,
    ].join("");
    const plots = make("div", "wb-attr-plots");
    plots.append(...PLOTS.map(([key, title, form]) => this.plot(key, title, form, here)));
    const note =
      `Linear dosing model by the functional mechanism, mean of ${draws} trainings at each budget; ` +
      "the red line is what the marginals tell. A simulation, no clinical advice.";
    this.box.replaceChildren(make("h2", "", TITLE), make("p", "", said), plots, make("p", "wb-note", note));
  }

  plot(key, title, form, here) {
    const {levels, floor} = this.found;
    const base = key === "found" ? floor : null;
    const {x, y, top} = placed(levels, key, base);
    const figure = make("figure");
    const image = svg("svg", {viewBox: `0 0 ${SIZE[0]} ${SIZE[1]}`});
    for (const value of [0, top / 2, top]) {
      image.append(svg("line", {x1: EDGE.left, x2: SIZE[0] - EDGE.right, y1: y(value), y2: y(value)}));
      image.append(svg("text", {x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end"}, form(value)));
    }
    if (base != null)
      image.append(svg("line", {class: "floor", x1: EDGE.left, x2: SIZE[0] - EDGE.right, y1: y(base), y2: y(base)}));
    image.append(svg("polyline", {points: levels.map((l, i) => `${x(i)},${y(l[key])}`).join(" ")}));
    levels.forEach((l, i) => {
      if ((i % 2 === 0 && i < levels.length - 2) || i === levels.length - 1) {
        image.append(
          svg(
            "text",
            {x: x(i), y: SIZE[1] - 26, "text-anchor": l.epsilon == null ? "end" : "middle"},
            l.epsilon ?? "none",
          ),
        );
      }
    });
    const middle = {x: (EDGE.left + SIZE[0] - EDGE.right) / 2, y: SIZE[1] - 6, "text-anchor": "middle"};
    image.append(svg("text", middle, "privacy budget ε, private to the left"));
    image.append(svg("circle", {class: "here", cx: x(here), cy: y(levels[here][key]), r: 6}));
    describe(
      image,
      `${title} by privacy budget: ${levels.map(l => `${budget(l.epsilon)} ${form(l[key])}`).join(", ")}`,
    );
    figure.append(make("figcaption", "", title[0].toUpperCase() + title.slice(1)), image);
    return figure;
  }
}
