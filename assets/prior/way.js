// The way from sample A to sample B.

import {button, canvas, make, still, visible} from "../dom.js";
import {note, paint} from "./common.js";

const SHOWN = 9; // images of the strip; the slider goes through all of them
const UNKNOWN = 25; // frames, before the strip has come
const FRAME_MS = 90;
const STILL_MS = 1000;

export class Way {
  constructor(value) {
    this.value = value;
    this.strip = null;
    this.at = 0;
    this.playing = 0;
    this.build();
  }

  build() {
    const {tile, spherical, space} = this.value;
    this.big = canvas(tile, "The image at the slider");
    this.big.className = "wb-way-big";
    this.tiles = Array.from({length: SHOWN}, (_, i) => this.stop(i));
    const row = make("div", "wb-way-strip");
    row.append(...this.tiles);
    const body = make("div", "wb-way-body");
    body.append(row, this.controls());
    const line = make("div", "wb-way");
    line.append(this.big, body);
    const along = spherical ? "Along the great circle" : "Along the straight line";
    this.section = make("section", "wb-card-text");
    this.section.append(
      make("h2", null, "From A to B"),
      line,
      note(`${along} in ${space}. A prior that knows its subject has no gaps on the way.`),
    );
  }

  stop(i) {
    const tile = button("", () => this.go(this.frameOf(i)), "wb-sample");
    const end = {0: "A", [SHOWN - 1]: "B"}[i] ?? "";
    tile.append(canvas(this.value.tile));
    tile.setAttribute("aria-label", end || `${Math.round((100 * i) / (SHOWN - 1))} percent of the way`);
    tile.dataset.end = end;
    return tile;
  }

  controls() {
    this.button = button("Play", () => this.play(!this.playing));
    this.button.dataset.testid = "way-play";
    this.slider = make("input");
    Object.assign(this.slider, {type: "range", min: 0, max: UNKNOWN - 1, value: 0});
    this.slider.setAttribute("aria-label", "Way from A to B");
    this.slider.dataset.testid = "way";
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.where = make("output", null, "A");
    const controls = make("div", "wb-scrub");
    controls.append(this.button, this.slider, this.where);
    return controls;
  }

  get frames() {
    if (!this.strip) return UNKNOWN;
    const [w, h] = this.value.tile;
    return Math.round(((this.strip.width / this.strip.height) * h) / w);
  }

  frameOf(i) {
    return Math.round((i * (this.frames - 1)) / (SHOWN - 1));
  }

  show(strip) {
    this.strip = strip;
    this.tiles.forEach((tile, i) => paint(tile.firstChild, strip, this.frameOf(i), this.frames));
    this.draw();
  }

  go(frame) {
    this.play(false);
    this.at = frame;
    this.draw();
  }

  draw() {
    if (this.strip) paint(this.big, this.strip, this.at, this.frames);
    const percent = Math.round((100 * this.at) / (this.frames - 1));
    this.where.textContent = {0: "A", 100: "B"}[percent] ?? `${percent} % of the way`;
    this.slider.value = this.at;
    this.tiles.forEach((tile, i) => tile.setAttribute("aria-pressed", this.frameOf(i) === this.at));
  }

  /** Goes to and fro until it is stopped, or is no longer seen. */
  play(on) {
    clearTimeout(this.playing);
    this.playing = 0;
    this.button.textContent = on ? "Pause" : "Play";
    if (!on) return;
    const last = this.frames - 1;
    let step = 1;
    if (this.at >= last) this.at = 0;
    const go = () => {
      if (!visible(this.section)) {
        this.play(false);
        return;
      }
      if (this.at >= last) step = -1;
      else if (this.at <= 0) step = 1;
      this.at += step;
      this.draw();
      this.playing = setTimeout(go, still() ? STILL_MS : FRAME_MS);
    };
    this.playing = setTimeout(go, 0);
  }
}
