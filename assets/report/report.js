// A run's report: its recorded frames under one slider, its curves, and the verdict in the live view's own words.
// It is put into the page that is taken away, where it may load nothing and finds all it shows in `#data`.

import {$, canvas, describe, make, say, still} from "../dom.js";
import {count} from "../format.js";
import {judges, verdict} from "../live/words.js";
import {chart} from "./chart.js";

const FRAME_MS = 110;
const STILL_MS = 1000; // where less motion is asked for
const SAID = {yes: "✓ recognised", no: "✗ not recognised", unclear: "? too blurred to tell"};

const decoded = address =>
  new Promise(resolve => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => resolve(null);
    image.src = address;
  });

/** The newest line of a table of columns whose frame isn't after `frame`. Pure. */
export function lineAt(frames, frame) {
  let found = -1;
  for (let i = 0; i < frames.length && frames[i] <= frame; i++) found = i;
  return found;
}

class Report {
  constructor(data) {
    this.data = data;
    this.sheets = [];
    this.charts = [];
  }

  get tile() {
    return this.data.sheet.tile;
  }

  words() {
    const said = verdict(this.data.status, this.data.candidates.length);
    say($(document, "#verdict"), said);
    $(document, "#verdict").hidden = !said;
    $(document, "#verdict").title = judges(this.data.status);
  }

  /** Builds a card for each candidate: the private image, the reconstruction, and what was said of it. */
  cards() {
    const {candidates, marks, truth} = this.data;
    this.made = candidates.map(({label, restart}, i) => {
      const name = restart ? `${label}, try ${restart + 1}` : label;
      const card = make("div", "card");
      const pair = make("div", "pair");
      const [left, right] = [`Private image of ${name}`, `Reconstruction of ${name}`].map(text =>
        canvas(this.tile, text),
      );
      pair.append(...(truth ? [left, right] : [right]));
      const sure = make("span", "sure");
      card.append(pair, make("b", null, name), sure);
      if (marks[i]?.said) card.append(make("span", marks[i].said, SAID[marks[i].said]));
      return {card, left, right, name, sure};
    });
    $(document, "#frames").append(...this.made.map(({card}) => card));
  }

  cut(image, element, i) {
    if (!image) return;
    const [width, height] = this.tile;
    const {columns} = this.data.sheet;
    const [x, y] = [(i % columns) * width, Math.floor(i / columns) * height];
    element.getContext("2d").drawImage(image, x, y, width, height, 0, 0, width, height);
  }

  curves() {
    const {curves} = this.data;
    const asked = curves.queries?.some(q => q > 0) && this.data.black_box;
    this.axis = asked ? "queries" : "step";
    const names = Object.keys(curves).filter(name => !["frame", "step", "seconds", "queries"].includes(name));
    for (const name of names) {
      const title = name === "confidence" ? "target's confidence" : name;
      const drawn = chart(title, curves[this.axis] ?? [], curves[name], this.axis === "step" ? "steps" : "queries");
      if (drawn) this.charts.push(drawn);
    }
    $(document, "#curves").append(...this.charts.map(({element}) => element));
    $(document, "#curves-part").hidden = !this.charts.length;
  }

  /** Shows the k-th of the frames that are here. */
  show(k) {
    const {frames, curves, confidence} = this.data;
    this.shown = k;
    const {number} = frames[k];
    this.made.forEach(({right}, i) => this.cut(this.sheets[k], right, i));
    const row = lineAt(curves.frame ?? [], number);
    const step = row < 0 ? null : curves.step[row];
    const when = step == null ? "" : `, step ${count(step)}`;
    say($(document, "#where"), `frame ${number}${when}`);
    const line = lineAt(
      confidence.map(c => c[0]),
      number,
    );
    this.made.forEach(({right, name, sure}, i) => {
      const percent = line < 0 ? null : confidence[line][i + 1];
      say(sure, percent == null ? "" : `target ${percent} % sure`);
      describe(right, `Reconstruction of ${name}, frame ${number}`);
    });
    this.charts.forEach(({mark}) => mark(row < 0 ? null : curves[this.axis][row]));
    document.documentElement.dataset.shown = number;
  }

  listen() {
    const [range, button] = [$(document, "#slider"), $(document, "#play")];
    const last = this.data.frames.length - 1;
    const halt = () => {
      clearInterval(this.playing);
      this.playing = null;
      button.textContent = "Play";
    };
    range.max = last;
    range.value = last;
    range.addEventListener("input", () => {
      halt();
      this.show(Number(range.value));
    });
    button.addEventListener("click", () => {
      if (this.playing) {
        halt();
        return;
      }
      let next = this.shown >= last ? 0 : this.shown;
      button.textContent = "Halt";
      const go = () => {
        range.value = next;
        this.show(next);
        if (next++ >= last) halt();
      };
      this.playing = setInterval(go, still() ? STILL_MS : FRAME_MS);
      go();
    });
    button.disabled = range.disabled = last < 1;
  }

  async begin() {
    this.words();
    this.curves();
    const {frames, truth, sheet} = this.data;
    if (frames.length && sheet) {
      this.cards();
      this.sheets = await Promise.all(frames.map(({picture}) => decoded(picture)));
      const private_ = truth ? await decoded(truth) : null;
      this.made.forEach(({left}, i) => this.cut(private_, left, i));
      this.listen();
      this.show(frames.length - 1);
    }
    document.documentElement.dataset.ready = "true";
  }
}

if (typeof document !== "undefined") new Report(JSON.parse($(document, "#data").textContent)).begin();
