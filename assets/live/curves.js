// The curves of a run: means over its candidates, in three strips. Only ever extended, as long as strips stay.

import {counters} from "../counters.js";
import {PALETTE, baseLayout, ink, plotlyNow, textSize} from "../plotting.js";
import {Table} from "../table.js";
import {GrowingPlot} from "./growing-plot.js";
import {AXES, fitsLog, lines, losses, staysAbove, strips, tickFormat} from "./strips.js";

const DOMAINS = [
  [0.72, 0.93],
  [0.36, 0.57],
  [0, 0.21],
];
const axisName = (letter, i) => (i ? `${letter}axis${i + 1}` : `${letter}axis`);
const axisRef = i => (i ? `y${i + 1}` : "y");

export class Curves extends GrowingPlot {
  constructor(box) {
    super(box);
    this.axis = "step";
    this.reset();
  }

  reset() {
    Object.assign(this, {
      table: new Table(),
      drawn: 0, // rows that the plot has
      quiet: 0, // rows that asked no query
      marks: [],
      cursor: null,
      sure: false,
      log: false,
      stale: true, // what is drawn is of other strips
    });
  }

  get rows() {
    return this.table.rows;
  }

  get empty() {
    return !this.table.columns;
  }

  get drawable() {
    return !this.empty;
  }

  add(line) {
    const before = this.table.last;
    const row = this.table.add(line);
    if (!row) {
      this.stale = true;
      return;
    }
    if (row.confidence != null && !this.sure) {
      this.sure = true;
      this.stale ||= losses(this.table.columns).length > 2; // confidence gets the strip of another loss
    }
    if (before?.queries === row.queries) this.quiet++;
  }

  turn(axis) {
    if (axis === this.axis) return;
    this.axis = axis;
    this.stale = true;
  }

  rowOf(frame) {
    return this.table.upTo("frame", frame);
  }

  stepOf(frame) {
    return this.rowOf(frame)?.step ?? null;
  }

  strips() {
    return this.table.columns ? strips(this.table.columns, this.sure, this.axis) : [];
  }

  traces() {
    const {rows} = this.table;
    return lines(this.strips()).map(({column, strip, dash, colour}) => ({
      x: this.table.column(this.axis, rows),
      y: this.table.column(column, rows),
      name: column,
      xaxis: "x",
      yaxis: axisRef(strip),
      mode: "lines",
      line: {width: 2.5, color: PALETTE[colour], dash},
      hovertemplate: "%{y:.4g}<extra>%{fullData.name}</extra>",
    }));
  }

  layout() {
    const colours = ink();
    const layout = {
      ...baseLayout(colours),
      margin: {l: 4 * textSize() + 2, r: 10, t: 4, b: 2.5 * textSize() - 1},
      showlegend: false,
      hovermode: "x unified",
      shapes: this.shapes(),
      uirevision: "keep",
      annotations: [],
      xaxis: {
        gridcolor: colours.grid,
        zeroline: false,
        nticks: 6,
        anchor: "y3",
        title: {text: this.axis, standoff: 4, font: {size: textSize()}},
        tickformat: AXES[this.axis].format,
        hoverformat: ",d",
      },
    };
    this.strips().forEach((strip, i) => {
      layout[axisName("y", i)] = this.stripAxis(strip, i, colours);
      layout.annotations.push({
        text: strip.title,
        xref: "paper",
        yref: "paper",
        x: 0,
        y: DOMAINS[i][1],
        xanchor: "left",
        yanchor: "bottom",
        showarrow: false,
        font: {size: textSize(), color: colours.text},
      });
    });
    return layout;
  }

  stripAxis(strip, i, colours) {
    if (i === 0) this.log = fitsLog(this.table.rows, strip.columns[0]);
    return {
      domain: DOMAINS[i],
      gridcolor: colours.grid,
      zeroline: false,
      nticks: 3,
      range: strip.range,
      fixedrange: Boolean(strip.range),
      tickformat: tickFormat(strip.title),
      type: i === 0 && this.log ? "log" : "linear",
      automargin: false,
    };
  }

  /** Upright lines: where a knob was turned, and where the frame that is shown stands. */
  shapes() {
    const colours = ink();
    const at = (x, line) => ({type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line});
    const turned = {color: colours.quiet, width: 1.5, dash: "dash"};
    const shapes = this.marks.map(mark => at(this.placeOf(mark), turned));
    const held = this.cursor == null ? null : this.rowOf(this.cursor);
    if (held) shapes.push(at(held[this.axis], {color: colours.accent, width: 2}));
    return shapes;
  }

  placeOf(mark) {
    if (this.axis === "step") return mark.step;
    return this.table.upTo("step", mark.step)?.[this.axis] ?? 0;
  }

  async extend(library) {
    const fresh = this.table.rows.slice(this.drawn);
    const [top] = this.strips();
    if (this.log && !staysAbove(fresh, top.columns[0])) {
      this.log = false;
      await library.relayout(this.box, {"yaxis.type": "linear", "yaxis.autorange": true});
    }
    const columns = this.box.data.map(trace => trace.name);
    const along = this.table.column(this.axis, fresh);
    const more = {x: columns.map(() => along), y: columns.map(name => this.table.column(name, fresh))};
    this.drawn += fresh.length;
    counters.extend++;
    await library.extendTraces(
      this.box,
      more,
      columns.map((_, i) => i),
    );
  }

  redrawLines() {
    if (this.made) plotlyNow()?.relayout(this.box, {shapes: this.shapes()});
  }

  restyle() {
    if (this.made && this.table.columns) plotlyNow()?.relayout(this.box, this.layout());
  }
}
