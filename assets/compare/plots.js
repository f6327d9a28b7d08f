// The two plots of a table: privacy against utility, and a sweep over a strength. Drawn once for each choice.

import {$, make} from "../dom.js";
import {PALETTE, baseLayout, ink, plotly, plotlyNow} from "../plotting.js";
import {scatter, sweep} from "./traces.js";

const CONFIG = {displayModeBar: false, responsive: true};
const EMPTY = {
  scatter: "No cell of this table has finished.",
  sweep: "Nothing is turned from weak to strong in this table. Choose one where something is.",
};

function layout(across, up, colours) {
  const axis = title => ({gridcolor: colours.grid, zeroline: false, title: {text: title}});
  const margin = {l: 62, r: 10, t: 8, b: 48};
  const legend = {font: {size: 13}, tracegroupgap: 0};
  return {...baseLayout(colours), margin, hovermode: "closest", legend, xaxis: axis(across), yaxis: axis(up)};
}

class Plots {
  constructor(element) {
    this.element = element;
  }

  box(name) {
    return $(this.element, `[data-plot=${name}]`);
  }

  async set(name, traces, look) {
    const library = await plotly();
    const box = this.box(name);
    if (!$(box, ".plot-container")) box.replaceChildren();
    await library.react(box, traces, look, CONFIG);
  }

  empty(name) {
    plotlyNow()?.purge(this.box(name));
    this.box(name).replaceChildren(make("p", "wb-note", EMPTY[name]));
  }

  async draw({points = [], metric, share = false, axis = "strength"}) {
    if (!this.element.offsetParent) return;
    const colours = ink();
    const dots = scatter(points, metric, PALETTE);
    const lines = sweep(points, metric, PALETTE, colours);
    // A table in which nothing is turned has one plot, as wide as the page: so before it is drawn.
    this.box("sweep").closest("figure").hidden = !lines;
    if (dots) {
      const look = layout("target's held-out accuracy", `Reconstructions: ${metric}`, colours);
      Object.assign(look.xaxis, {range: [0, 1.04], tickformat: ",.0%"});
      if (share) look.yaxis.tickformat = ",.0%";
      await this.set("scatter", dots, {...look, showlegend: true});
    } else this.empty("scatter");
    if (lines) {
      const look = layout(axis, metric, colours);
      if (share) look.yaxis.tickformat = ",.0%";
      look.xaxis.type = lines.log ? "log" : "linear";
      await this.set("sweep", lines.traces, {...look, showlegend: true});
    } else this.empty("sweep");
  }
}

/** value: {points: [{row, column, group, x, leak, utility}], metric, share: whether it is one, axis} */
export function compare(element, props, trigger, watch) {
  const part = new Plots(element);
  const draw = () => part.draw(props.value || {});
  watch("value", draw);
  draw();
  new ResizeObserver(draw).observe(element);
  new MutationObserver(draw).observe(document.body, {attributes: true, attributeFilter: ["class"]});
}
