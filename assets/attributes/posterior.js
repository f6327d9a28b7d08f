// One record: what the attacker knows of it, and how likely each value is after each query.

import {button, make, menu, still} from "../dom.js";

const PACE = 700; // ms a query, when it plays by itself

const percent = share => `${Math.round(100 * share)} %`;

export class Posterior {
  constructor() {
    this.box = make("section");
    this.box.hidden = true;
    this.record = 0;
    this.at = 0;
  }

  show(found) {
    if (found.run !== this.run) {
      Object.assign(this, {run: found.run, record: 0, at: 0, count: 0});
      clearInterval(this.clock);
    }
    const more = found.frames.length > this.count;
    Object.assign(this, {scene: found.scene, frames: found.frames, count: found.frames.length});
    this.box.hidden = !this.count;
    if (!more) return;
    this.build();
    if (this.at === 0) this.play();
  }

  build() {
    const {candidates, sensitive, values, response} = this.scene;
    const one = candidates[this.record];
    const whose = menu(
      candidates.map((c, i) => [String(i), c.label]),
      String(this.record),
      i => this.turn(Number(i)),
    );
    whose.setAttribute("aria-label", "Record");
    const known = make("dl", "wb-attr-known");
    for (const [name, value] of Object.entries(one.known)) {
      known.append(make("dt", "", name), make("dd", name === response ? "wb-attr-true" : "", value));
    }
    const left = make("div");
    left.append(make("h2", "", "What the attacker knows of"), whose, known);
    this.bars = make("div", "wb-attr-bars");
    this.rows = values.map((value, v) => this.bar(value, v === one.truth));
    this.note = make("p", "wb-note");
    this.note.setAttribute("aria-live", "polite");
    this.slider = make("input");
    Object.assign(this.slider, {type: "range", min: 0, max: this.count - 1});
    this.slider.setAttribute("aria-label", "Query");
    this.slider.addEventListener("input", () => this.stop(Number(this.slider.value)));
    const steps = make("div", "wb-attr-steps");
    steps.append(
      button("Query before", () => this.stop(this.at - 1)),
      button("Next query", () => this.stop(this.at + 1)),
      button("Play", () => this.play()),
      this.slider,
    );
    const right = make("div");
    right.append(make("h2", "", `How likely each ${sensitive} is`), this.bars, steps, this.note);
    const both = make("div", "wb-attr-record");
    both.append(left, right);
    this.box.replaceChildren(both);
    this.draw();
  }

  bar(value, isTrue) {
    const name = make("span", isTrue ? "wb-attr-true" : "", isTrue ? `${value} (true)` : value);
    const track = make("div", "wb-attr-track");
    const fill = make("div", "wb-attr-fill");
    const figure = make("span", "wb-attr-value");
    track.append(fill);
    this.bars.append(name, track, figure);
    return {track, fill, figure};
  }

  turn(record) {
    this.record = record;
    this.at = 0;
    this.build();
    this.play();
  }

  stop(at) {
    clearInterval(this.clock);
    this.at = Math.max(0, Math.min(this.count - 1, at));
    this.draw();
  }

  play() {
    clearInterval(this.clock);
    if (still()) return this.stop(this.count - 1);
    this.at = 0;
    this.draw();
    this.clock = setInterval(
      () => {
        if (this.at < this.count - 1) this.stopless(this.at + 1);
        else clearInterval(this.clock);
      },
      Math.min(PACE, 8000 / this.count),
    );
  }

  stopless(at) {
    this.at = at;
    this.draw();
  }

  draw() {
    const frame = this.frames[this.at];
    const shares = frame.shares[this.record];
    const best = shares.indexOf(Math.max(...shares));
    this.rows.forEach(({track, fill, figure}, v) => {
      fill.style.width = `${100 * shares[v]}%`;
      figure.textContent = percent(shares[v]);
      track.classList.toggle("wb-attr-best", v === best && frame.asked.some(Boolean));
      track.classList.toggle("wb-attr-unasked", !frame.asked[v]);
    });
    this.slider.value = this.at;
    const queries = frame.queries ?? 0;
    const {total, records} = this.scene;
    this.note.textContent =
      `Query ${frame.step ?? 0} of ${total} for each of ${records.toLocaleString("en")} records ` +
      `(${queries.toLocaleString("en")} in all): ${frame.note}.`;
  }
}
