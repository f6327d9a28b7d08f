// Going back and forth through the recorded frames.

import {$, session, still, visible} from "../dom.js";
import {count} from "../format.js";
import {pace, speedName, speedOf} from "./pace.js";

const REST_MS = 3500; // at the end, before what is played in a loop begins again
const KEY = "wb-speed";

/** The frames of a run, asked of the server. */
const recorded = async run => (await fetch(`/wb/runs/${run}/frames.json`)).json();

export class Player {
  /** look: called with the frame to show, null for the newest. */
  constructor(root, look) {
    this.root = root;
    this.look = look;
    this.range = $(root, "input[type=range]");
    this.output = $(root, "output");
    this.button = $(root, "[data-act=play]");
    this.speed = $(root, "[data-act=speed]");
    this.range.addEventListener("input", () => {
      this.halt();
      look(Number(this.range.value));
    });
    this.button.addEventListener("click", () => this.play());
    this.speed.addEventListener("input", () => this.turn(this.speed.value));
    $(root, "[data-act=live]").addEventListener("click", () => look(null));
    this.turn(session(KEY) ?? 0);
    this.reset(null);
  }

  reset(run) {
    Object.assign(this, {
      run,
      own: null, // the frames of an example, which no server has to be asked for
      newest: null, // the newest frame there is
      shown: null, // the frame that is shown
      held: null, // the frame a person went back to; null while the newest is followed
    });
    this.halt();
  }

  /** Sets the speed of what is played, now or next. */
  turn(place) {
    this.speed.value = place;
    const name = speedName(speedOf(Number(this.speed.value)));
    session(KEY, this.speed.value);
    this.speed.setAttribute("aria-valuetext", name);
    this.speed.nextElementSibling.textContent = name;
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
    const at = this.held ?? this.newest;
    if (!this.own) {
      this.look(at + change);
      return;
    }
    this.halt();
    const place = this.own.findLastIndex(frame => frame <= at) + change;
    this.look(this.own[Math.max(0, Math.min(this.own.length - 1, place))]);
  }

  /** row: of the curves, at the frame that is shown; axis: what the curves stand against. */
  label(row, axis) {
    const where = axis === "queries" ? `, ${count(row?.queries)} queries` : `, step ${count(row?.step)}`;
    this.output.textContent = `frame ${this.shown ?? "–"}${row ? where : ""}`;
    this.root.dataset.shown = this.shown ?? "";
    this.root.classList.toggle("wb-past", this.held != null);
  }

  halt() {
    clearTimeout(this.timer);
    this.playing = false;
    this.button.textContent = "Play";
  }

  async play() {
    if (this.playing) {
      this.halt();
      return;
    }
    const {run} = this;
    const frames = this.own ?? (await recorded(run));
    if (!frames.length || run !== this.run) return;
    const from = this.held == null || this.held >= this.newest ? 0 : frames.findIndex(f => f >= this.held);
    this.playing = true;
    this.button.textContent = "Halt";
    this.tick(frames, Math.max(0, from));
  }

  /** Shows a frame and, some time later, the next one; an example begins again after its end. */
  tick(frames, next) {
    const calm = this.own !== null;
    const {ms, stride} = pace(speedOf(Number(this.speed.value)), {calm, still: still()});
    const again = (place, wait) => {
      if (this.playing) this.timer = setTimeout(() => this.tick(frames, place), wait);
    };
    if (calm && !visible(this.root)) again(next, REST_MS);
    else if (next < frames.length) {
      this.look(frames[next]);
      const last = next === frames.length - 1;
      // The last frame is never left out, for it is what was found.
      again(last ? frames.length : Math.min(next + stride, frames.length - 1), ms);
    } else if (calm) again(0, REST_MS);
    else this.look(null);
  }
}
