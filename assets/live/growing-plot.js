// A plot that grows with its run: drawn whole once, then only extended.

import {counters} from "../counters.js";
import {CONFIG, hasRoom, plotly, plotlyNow} from "../plotting.js";

/**
 * What a plot adds: `empty`, whether nothing of its run is known; `drawable`, whether there is something to draw; `rows`,
 * what it has drawn once it is drawn; traces(), layout() and extend(library).
 */
export class GrowingPlot {
  constructor(box) {
    Object.assign(this, {box, made: false, busy: false, stale: true, drawn: 0});
  }

  /** Whether the plot has to be drawn whole. */
  get outgrown() {
    return !this.made || this.stale;
  }

  /** Whether there is something that a plot that stands does not show yet, or shows no longer. */
  get pending() {
    return this.drawn < this.rows.length || (this.made && this.empty);
  }

  async draw() {
    if (this.busy) return;
    if (this.empty) this.clear();
    if (!this.drawable || !hasRoom(this.box)) return;
    this.busy = true;
    try {
      const library = await plotly();
      if (this.outgrown) await this.drawAnew(library);
      else if (this.pending) await this.extend(library);
    } finally {
      this.busy = false;
    }
  }

  /** Takes away what was drawn of another run, its titles and ranges with it. */
  clear() {
    if (!this.made) return;
    plotlyNow()?.purge(this.box);
    this.made = false;
  }

  async drawAnew(library) {
    const traces = this.traces();
    this.drawn = this.rows.length;
    this.stale = false;
    const how = this.made ? "react" : "newPlot";
    counters[how]++;
    this.made = true;
    await library[how](this.box, traces, this.layout(), CONFIG);
  }

  resize() {
    if (this.made && hasRoom(this.box)) plotlyNow()?.Plots.resize(this.box);
  }
}
