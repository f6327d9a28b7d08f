// One picture enlarged: beside it the private photograph nearest to it by pixels and by each judge, and every judge's word.

import {button, make} from "../dom.js";
import {spark} from "./confidence.js";
import {photographs, tile} from "./tiles.js";
import {said, word} from "./words.js";

/** Where a score and its threshold lie on a line of scores, in percent. Pure. */
export function onLine(score, threshold) {
  const low = Math.min(0, score);
  const high = Math.max(1, score);
  const at = x => (100 * (x - low)) / (high - low);
  return {score: at(score), threshold: threshold == null ? null : at(threshold)};
}

function scale(judge, answer) {
  const {score, threshold} = onLine(answer.score, judge.threshold);
  const line = make("span", `wb-score wb-${said(judge, answer).mark}`);
  const bar = make("i");
  bar.style.width = `${score}%`;
  line.append(bar);
  if (threshold != null) {
    const mark = make("u");
    mark.style.left = `${threshold}%`;
    mark.title = "threshold";
    line.append(mark);
  }
  return line;
}

export class Enlarged {
  /** search: asks for what is nearest by the judges; called once for each run. */
  constructor(search) {
    this.search = search;
    this.box = make("dialog", "wb-enlarged");
    this.body = make("div");
    this.box.setAttribute("aria-label", "One picture");
    const close = button("Close", () => this.box.close());
    const back = button("← Before", () => this.by(-1));
    const forth = button("Next →", () => this.by(1));
    forth.autofocus = true; // else a strip that scrolls has the focus, and takes it along when it is drawn anew
    this.forth = forth;
    const bar = make("div", "wb-enlarged-bar");
    bar.append(back, forth, close);
    this.box.append(this.body, bar);
    this.box.addEventListener("click", event => event.target === this.box && this.box.close());
    this.box.addEventListener("keydown", event => {
      const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (!step) return;
      event.preventDefault();
      this.by(step);
    });
    this.box.addEventListener("close", () => this.opener?.()?.focus());
    this.found = null;
    this.neighbours = [];
  }

  /** places: gives the order of the candidates; opener: gives what takes the focus when candidate i is closed. */
  show(found, curves, places, opener) {
    const again = this.found?.run === found.run;
    Object.assign(this, {found, curves, places});
    this.opener = () => opener(this.opened);
    if (again) {
      if (this.box.open) this.fill(); // told twice of one run, whoever looks at a picture keeps it
      return;
    }
    this.neighbours = [];
    this.whole = this.asked = false;
    if (this.box.open) this.box.close();
  }

  /** by: what `neighbours.json` has; whole: whether the judges are among them. */
  near(by, whole) {
    if (this.whole) return;
    this.neighbours = by;
    this.whole = whole;
    if (this.box.open) this.fill();
  }

  open(i) {
    this.i = this.opened = i;
    if (!this.asked && this.found.judges.length) this.search();
    this.asked = true;
    const home = document.querySelector(".gradio-container") ?? document.body;
    if (!this.box.isConnected) home.append(this.box);
    this.fill();
    if (!this.box.open) this.box.showModal();
  }

  by(step) {
    const places = this.places();
    const next = places.indexOf(this.i) + step;
    if (next < 0 || next >= places.length) return;
    this.i = places[next];
    this.fill();
  }

  fill() {
    const {found, i} = this;
    const candidate = found.candidates[i];
    const base = `/wb/runs/${found.run}`;
    const main = make("figure", "wb-enlarged-main");
    main.append(
      make("figcaption", null, "Reconstruction"),
      tile(`${base}/frames/${found.frame}.webp`, i, found.sheet, `Reconstruction of ${candidate.label}`),
      spark(this.curves, i, "wb-spark wb-spark-large"),
    );
    const near = make("div", "wb-enlarged-near");
    for (const one of this.neighbours) {
      const figure = make("figure");
      const own = one.classes[i] === candidate.class;
      figure.append(
        tile(`${base}/neighbours/${one.key}.webp`, i, found.sheet, `${one.names[i]}, nearest by ${one.title}`),
        make("figcaption", null, one.title),
        make("small", own ? "wb-yes" : "wb-no", `${own ? "✓" : "✗"} ${one.names[i]}`),
      );
      near.append(figure);
    }
    if (!this.whole && found.judges.length) near.append(make("p", "wb-hint", "The judges are searching."));
    const side = make("div");
    side.append(
      make("h2", null, candidate.label),
      make("h3", null, "Who was attacked"),
      photographs(found.scenario, candidate),
      make("h3", null, "Nearest private photograph, of everybody"),
      near,
      make("h3", null, "Judges"),
    );
    const words = make("div", "wb-enlarged-words");
    found.judges.forEach((judge, j) =>
      words.append(word(judge, candidate.judges[j]), scale(judge, candidate.judges[j])),
    );
    side.append(found.judges.length ? words : make("p", "wb-note", "This run was not judged."));
    this.body.className = "wb-enlarged-body";
    const held = this.body.contains(document.activeElement);
    this.body.replaceChildren(main, side);
    if (held) this.forth.focus();
  }
}
