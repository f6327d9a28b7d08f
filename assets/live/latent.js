// The latent space: random samples, the candidates' paths, what was tried around them, and the target's landscape.

import {counters} from "../counters.js";
import {CLEAR, PALETTE, baseLayout, ink, plotlyNow} from "../plotting.js";
import {ellipse} from "./ellipses.js";
import {lineAt} from "../table.js";
import {GrowingPlot} from "./growing-plot.js";
import {Paths, places} from "./paths.js";

const MOST_SEGMENTS = 2500;
const FEW = 16; // candidates that can be told apart

// The plot's traces in the order in which they are drawn; everything else asks `at` for a trace's number.
const TRACES = ["cloud", ...PALETTE.map((_, i) => `path ${i}`), "heads", "tried", "ellipses", "landscape"];
export const at = name => TRACES.indexOf(name);

/** Returns for each candidate the index of its class's colour. */
export function coloursOf(candidates) {
  const order = [...new Set(candidates.map(c => c.class))];
  return candidates.map(c => order.indexOf(c.class) % PALETTE.length);
}

const parsed = cloud => (cloud ? cloud.split("\n").map(line => line.split(",").map(Number)) : []);
const columns = points => ({x: points.map(p => p[0]), y: points.map(p => p[1]), z: points.map(p => p[2])});

export class Latent extends GrowingPlot {
  constructor(box) {
    super(box);
    this.three = false;
    this.reset([], "");
  }

  /** candidates: [{class, label}]; cloud: random samples, "x,y,z" a line. */
  reset(candidates, cloud) {
    Object.assign(this, {
      candidates,
      colours: coloursOf(candidates),
      cloud: parsed(cloud),
      drawn: 0, // frames that the plot has
      held: null, // the frame that is looked at, null for the newest
      around: null, // {points, of}: what was tried, and around which candidate
      field: null, // {extent, confidence}: the landscape
      stale: true,
    });
    this.paths = new Paths(this.colours, PALETTE.length);
  }

  get rows() {
    return this.paths.rows;
  }

  get empty() {
    return !this.candidates.length;
  }

  get drawable() {
    return !this.empty && Boolean(this.rows.length || this.cloud.length);
  }

  add(line) {
    this.paths.add(line);
  }

  /** Leaves out the third dimension where there are two. */
  flat({x, y, z}) {
    return this.three ? {x, y, z} : {x, y};
  }

  heads() {
    return places(this.held ?? this.paths.last);
  }

  traces() {
    const colours = ink();
    this.paths.rewind();
    const lines = this.paths.segments(0);
    const made = {
      cloud: {...this.flat(columns(this.cloud)), marker: {size: this.three ? 2 : 4, color: colours.cloud}},
      heads: this.headsTrace(colours),
      tried: {...this.tried(), opacity: 0.45},
      ellipses: {...this.ellipses(), mode: "lines", line: {width: 1.2, color: colours.quiet}, connectgaps: false},
      landscape: this.landscapeTrace(colours),
    };
    lines.forEach((line, i) => {
      const style = {width: this.three ? 3 : 1.8, color: PALETTE[i]};
      made[`path ${i}`] = {...this.flat(line), mode: "lines", line: style, opacity: 0.75, connectgaps: false};
    });
    const type = this.three ? "scatter3d" : "scatter";
    const shown = TRACES.filter(name => name !== "landscape" || !this.three);
    return shown.map(name => ({type, mode: "markers", hoverinfo: "skip", ...made[name]}));
  }

  headsTrace(colours) {
    const big = this.candidates.length > FEW ? 8 : 11;
    return {
      ...this.flat(this.heads()),
      text: this.candidates.map(c => c.label),
      hoverinfo: "text",
      hovertemplate: "%{text}<extra></extra>",
      marker: {
        size: this.three ? 5 : big,
        color: this.colours.map(i => PALETTE[i]),
        line: {width: 1.5, color: colours.paper},
      },
    };
  }

  /** What was tried around the candidates: a population, or samples of a distribution. */
  tried() {
    const {points = [], of = []} = this.around ?? {};
    const color = of.map(i => PALETTE[this.colours[i]]);
    return {...this.flat(columns(points)), marker: {size: this.three ? 2 : 4, color}};
  }

  /** Two standard deviations of each candidate's cloud, where there are few enough candidates to tell apart. */
  ellipses() {
    const found = {x: [], y: []};
    if (this.around && !this.three && this.candidates.length <= FEW)
      this.candidates.forEach((_, c) => {
        const outline = ellipse(this.around.points.filter((__, i) => this.around.of[i] === c));
        if (!outline) return;
        found.x.push(...outline.x, null);
        found.y.push(...outline.y, null);
      });
    return this.flat({...found, z: found.x});
  }

  landscapeTrace(colours) {
    const look = {
      type: "heatmap",
      zmin: 0,
      zmax: 1,
      opacity: 0.75,
      showscale: Boolean(this.field),
      hoverinfo: "z",
      hovertemplate: "confidence %{z:.2f}<extra></extra>",
      colorscale: [
        [0, colours.paper],
        [0.5, "#8fb8de"],
        [1, "#123c69"],
      ],
      colorbar: {thickness: 8, len: 0.5, y: 0.75, tickvals: [0, 0.5, 1], tickformat: ".0%", outlinewidth: 0},
    };
    return {...look, ...this.grid()};
  }

  grid() {
    if (!this.field) return {x: [], y: [], z: []};
    const {extent, confidence} = this.field;
    const last = confidence.length - 1;
    const along = (from, to) => confidence.map((_, i) => from + ((to - from) * i) / last);
    return {x: along(extent[0], extent[1]), y: along(extent[2], extent[3]), z: confidence};
  }

  layout() {
    const colours = ink();
    const axis = {
      gridcolor: colours.grid,
      zeroline: false,
      showticklabels: false,
      ticks: "", // its axes have no unit that a reader could use
      title: {text: ""},
      showspikes: false,
    };
    const axes = this.three
      ? {scene: {xaxis: axis, yaxis: axis, zaxis: axis, bgcolor: CLEAR}}
      : {xaxis: axis, yaxis: axis};
    const margin = {l: 4, r: 4, t: 4, b: 4};
    return {...baseLayout(colours), margin, showlegend: false, hovermode: "closest", uirevision: "keep", ...axes};
  }

  get outgrown() {
    return super.outgrown || this.paths.count > MOST_SEGMENTS;
  }

  async drawAnew(library) {
    this.paths.thin(MOST_SEGMENTS / 2);
    await super.drawAnew(library);
  }

  async extend(library) {
    const lines = this.paths.segments(this.drawn);
    this.drawn = this.paths.rows.length;
    // A path grows for ever; of the heads only the newest place stays.
    const parts = lines.map((line, i) => ({line, trace: at(`path ${i}`), most: -1})).filter(p => p.line.x.length);
    parts.push({line: this.heads(), trace: at("heads"), most: this.candidates.length});
    const axes = this.three ? ["x", "y", "z"] : ["x", "y"];
    const update = Object.fromEntries(axes.map(name => [name, parts.map(p => p.line[name])]));
    const most = Object.fromEntries(axes.map(name => [name, parts.map(p => p.most)]));
    counters.extend++;
    await library.extendTraces(
      this.box,
      update,
      parts.map(p => p.trace),
      most,
    );
  }

  /** Sets traces of a plot that stands: {name of the trace: what changes}. */
  change(changes) {
    if (!this.made || this.stale) return;
    for (const [name, change] of Object.entries(changes)) {
      const each = Object.fromEntries(Object.entries(change).map(([key, value]) => [key, [value]]));
      plotlyNow()?.restyle(this.box, each, [at(name)]);
    }
  }

  /** Shows what was tried: {points: [[x, y, z], …], of: [candidate, …]}. */
  showTried(around) {
    this.around = around;
    const {marker, ...points} = this.tried();
    this.change({tried: {...points, "marker.color": marker.color}, ellipses: this.ellipses()});
  }

  /** Shows the target's confidence over the plane, or takes it away where `field` is null. */
  showLandscape(field) {
    this.field = field;
    if (!this.three) this.change({landscape: {...this.grid(), showscale: Boolean(field)}});
  }

  /** Shows the candidates where they were at a frame; null for the newest. */
  hold(frame) {
    this.held = frame == null ? null : lineAt(this.paths.rows, frame);
    this.change({heads: this.flat(this.heads())});
  }

  restyle() {
    if (!this.made) return;
    this.stale = true;
    this.draw();
  }

  turn(three) {
    this.three = three;
    this.stale = true;
    return this.draw();
  }
}
