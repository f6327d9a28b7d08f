// Going back and forth through the recorded frames.

import {$, still} from "../dom.js";
import {count} from "../format.js";

const FRAME_MS = 90;
const STILL_MS = 1000; // where less motion is asked for

export class Player {
  /** look: called with the frame to show, null for the newest. */
  constructor(root, look) {
    this.root = root;
    this.look = look;
    this.range = $(root, "input[type=range]");
    this.output = $(root, "output");
    this.button = $(root, "[data-act=play]");
    this.range.addEventListener("input", () => {
      this.halt();
      look(Number(this.range.value));
    });
    this.button.addEventListener("click", () => this.play());
    $(root, "[data-act=live]").addEventListener("click", () => look(null));
    this.reset(null);
  }

  reset(run) {
    Object.assign(this, {
      run,
      newest: null, // the newest frame there is
      shown: null, // the frame that is shown
      held: null, // the frame a person went back to; null while the newest is followed
    });
    this.halt();
  }

  /** Says that frames up to `frame` are there. */
  grow(frame) {
    if (frame != null) this.newest = frame;
    this.range.max = this.newest ?? 0;
    if (this.held == null) this.shown = this.newest;
  }

  follow() {
    this.held = null;
    this.shown = this.newest;
    this.range.value = this.newest ?? 0;
  }

  /** Goes to a frame, or as near as there is one; returns which. */
  hold(frame) {
    this.held = this.shown = Math.max(0, Math.min(this.newest ?? 0, frame));
    this.range.value = this.held;
    return this.held;
  }

  by(change) {
    this.look((this.held ?? this.newest) + change);
  }

  /** row: of the curves, at the frame that is shown; axis: what the curves stand against. */
  label(row, axis) {
    const where = axis === "queries" ? `, ${count(row?.queries)} queries` : `, step ${count(row?.step)}`;
    this.output.textContent = `frame ${this.shown ?? "–"}${row ? where : ""}`;
    this.root.dataset.shown = this.shown ?? "";
    this.root.classList.toggle("wb-past", this.held != null);
  }

  halt() {
    clearInterval(this.playing);
    this.playing = null;
    this.button.textContent = "Play";
  }

  async play() {
    if (this.playing) {
      this.halt();
      return;
    }
    const {run} = this;
    const frames = await (await fetch(`/wb/runs/${run}/frames.json`)).json();
    if (!frames.length || run !== this.run) return;
    const from = this.held == null || this.held >= this.newest ? 0 : frames.findIndex(f => f >= this.held);
    let next = Math.max(0, from);
    this.button.textContent = "Halt";
    const go = () => this.look(next < frames.length ? frames[next++] : null);
    this.playing = setInterval(go, still() ? STILL_MS : FRAME_MS);
  }
}
