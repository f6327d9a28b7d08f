// The two plots beneath the faces, and when they are drawn.

import {$, still} from "../dom.js";
import {Curves} from "./curves.js";
import {Latent} from "./latent.js";

const SOONEST_MS = 250;
const LATEST_MS = 2000;
const STILL_MS = 1000; // where less motion is asked for
const REST = 6; // they rest so many times as long as they take, so that faces keep coming where plots are dear

export class Plots {
  constructor(root) {
    this.curves = new Curves($(root, ".wb-curves .wb-plot"));
    this.latent = new Latent($(root, ".wb-latent .wb-plot"));
    this.both = [this.curves, this.latent];
    const restyle = () => this.both.forEach(plot => plot.restyle());
    const looks = new MutationObserver(restyle);
    looks.observe(document.body, {attributes: true, attributeFilter: ["class"]});
    looks.observe(document.documentElement, {attributes: true, attributeFilter: ["data-size"]});
  }

  /** Draws soon; at once where it is the last time, or where something must go. */
  draw(atOnce = false) {
    if (this.timer && !atOnce) return;
    clearTimeout(this.timer);
    const rest = Math.max(SOONEST_MS, Math.min(LATEST_MS, this.rest || 0));
    const wait = still() ? STILL_MS : rest;
    this.timer = setTimeout(() => this.work(), atOnce ? 0 : wait);
  }

  async work() {
    const begun = performance.now();
    await Promise.all(this.both.map(plot => plot.draw()));
    this.rest = REST * (performance.now() - begun);
    this.timer = 0;
    if (this.both.some(plot => plot.pending)) this.draw();
  }

  resize() {
    this.both.forEach(plot => plot.resize());
    this.draw();
  }

  /** Marks a recorded frame in both; null for the newest. */
  hold(frame) {
    this.curves.cursor = frame;
    this.curves.redrawLines();
    this.latent.hold(frame);
  }
}
