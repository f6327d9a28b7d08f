// The Judge tab's pictures: each beside its person's photographs, with every judge's word; classes as bars that sort.

import {$, ask, make, menu, sayBold} from "../dom.js";
import {verdict} from "../live/words.js";
import {bars} from "./bars.js";
import {lines, spark} from "./confidence.js";
import {Enlarged} from "./enlarged.js";
import {photographs, tile} from "./tiles.js";
import {agreed, word} from "./words.js";

const ORDERS = [
  ["run", "as in the run"],
  ["best", "most recognised first"],
  ["worst", "least recognised first"],
];

/** The places of the candidates in an order. Pure. */
export function ordered(candidates, order) {
  const places = candidates.map((_, i) => i);
  if (order === "run") return places;
  const sign = order === "best" ? -1 : 1;
  return places.sort((a, b) => sign * (agreed(candidates[a]) - agreed(candidates[b])) || a - b);
}

class Judging {
  constructor(box) {
    this.box = box;
    this.enlarged = new Enlarged(() => this.neighbours(this.run, true));
    this.order = "run";
  }

  async open(run) {
    this.run = run;
    if (!run) {
      this.box.replaceChildren();
      return;
    }
    try {
      const answer = await ask(`/wb/runs/${run}/judged.json`);
      const found = answer.status === 204 ? null : await answer.json();
      if (this.run !== run) return;
      this.found = found;
      this.draw();
      if (found?.judges.length) this.neighbours(run, false);
    } catch (error) {
      if (this.run === run) this.box.replaceChildren(make("p", "wb-note", error.message));
    }
  }

  /** Pixels are compared at once; judges take a while, and search once somebody has enlarged a picture. */
  async neighbours(run, judges) {
    try {
      const found = await (await ask(`/wb/runs/${run}/neighbours.json?judges=${judges}`)).json();
      if (this.run === run) this.enlarged.near(found.by, judges);
    } catch {
      // without the private photographs there is nothing to be near to
      if (judges && this.run === run) this.enlarged.near(this.enlarged.neighbours, true);
    }
  }

  draw() {
    const {found} = this;
    if (!found) {
      this.box.replaceChildren(make("p", "wb-note", "This run shows no pictures yet."));
      return;
    }
    this.curves = lines(found.confidence);
    const pictures = make("section", "wb-card-text");
    const head = make("div", "wb-judging-head");
    const sort = menu(ORDERS, this.order, order => {
      this.order = order;
      this.fill(grid);
    });
    sort.setAttribute("aria-label", "Order of the pictures");
    head.append(make("h2", null, "Picture by picture"), sort);
    const legend = "Large: the reconstruction. Beneath: photographs of who was attacked. Press one to enlarge it.";
    const grid = make("div", "wb-judging-grid");
    const line = make("p", "wb-judged-verdict");
    line.dataset.testid = "judge-verdict";
    sayBold(line, verdict(found.status, found.candidates.length));
    pictures.append(line, head, make("p", "wb-note", legend), grid);
    this.fill(grid);
    const classes = found.measures.length ? [bars(found)] : [];
    this.box.replaceChildren(pictures, ...classes);
    this.enlarged.show(
      found,
      this.curves,
      () => this.places,
      i => grid.querySelector(`[data-i="${i}"]`),
    );
  }

  fill(grid) {
    this.places = ordered(this.found.candidates, this.order);
    grid.replaceChildren(...this.places.map(i => this.card(i)));
  }

  card(i) {
    const {found} = this;
    const candidate = found.candidates[i];
    const card = make("button", "wb-judged");
    card.type = "button";
    card.dataset.i = i;
    const sheet = `/wb/runs/${found.run}/frames/${found.frame}.webp`;
    card.append(
      tile(sheet, i, found.sheet, `Reconstruction of ${candidate.label}`),
      photographs(found.scenario, candidate),
      make("b", null, candidate.label),
      ...found.judges.map((judge, j) => word(judge, candidate.judges[j])),
      spark(this.curves, i),
    );
    card.addEventListener("click", () => this.enlarged.open(i));
    return card;
  }
}

/** value: {run, seq} */
export function judge(element, props, trigger, watch) {
  const part = new Judging($(element, ".wb-judging"));
  const draw = () => part.open(props.value?.run);
  watch("value", draw);
  draw();
}
