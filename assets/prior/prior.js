// What a prior draws: samples, the way between two of them, and what they resemble.

import {$, ask, newest, visible} from "../dom.js";
import {address, bitmap, card, problemBox, sameModel} from "./common.js";
import {Neighbours, stillLooking} from "./neighbours.js";
import {Samples} from "./samples.js";
import {Way} from "./way.js";

const LOOK_MS = 900;
const nameOf = point => `${point.seed}.${point.index}`;

class Prior {
  constructor(box) {
    this.box = box;
    this.value = {};
    this.setting = {seed: 0, share: 1, label: -1};
    this.sheet = this.fetching(() => this.fetchSheet());
    this.walk = this.fetching(() => this.fetchWay());
    this.resemble = this.fetching(() => this.fetchNeighbours());
  }

  /** Returns `work` so that it runs once at a time, and says what goes wrong. */
  fetching(work) {
    return newest(async () => {
      if (this.value.problem || !this.value.scenario) return;
      try {
        await work();
      } catch (error) {
        this.samples.fail(error);
      }
    });
  }

  get how() {
    return {share: this.setting.share.toFixed(2), label: this.setting.label};
  }

  async fetchSheet() {
    const {value} = this;
    const begun = performance.now();
    const strip = await bitmap(await ask(address(value, "samples.webp", {seed: this.setting.seed, ...this.how})));
    if (value !== this.value) return;
    this.samples.show(strip);
    this.box.dataset.drawn = `${this.setting.seed} ${this.how.share} ${this.how.label}`;
    this.box.dataset.took = Math.round(performance.now() - begun);
    this.samples.mark(this.ends);
  }

  async fetchWay() {
    const {value} = this;
    const [a, b] = this.ends.map(nameOf);
    const strip = await bitmap(await ask(address(value, "between.webp", {a, b, ...this.how})));
    if (value !== this.value) return;
    this.box.dataset.way = `${nameOf(this.ends[0])} ${nameOf(this.ends[1])} ${this.how.share}`;
    this.way.show(strip);
  }

  async fetchNeighbours() {
    if (!this.asked) return; // reading thousands of images is not begun unasked
    const {value} = this;
    const which = 1 - this.turn;
    const answer = await ask(address(value, "nearest.json", {point: nameOf(this.ends[which]), ...this.how}));
    const found = await answer.json();
    if (value !== this.value) return;
    this.neighbours.show(found, "AB"[which]);
    clearTimeout(this.later);
    if (stillLooking(found)) this.later = setTimeout(() => visible(this.box) && this.resemble(), LOOK_MS);
  }

  fetchAll() {
    this.sheet();
    this.walk();
    this.resemble();
  }

  pick(index) {
    this.ends[this.turn] = {seed: this.setting.seed, index};
    this.turn = 1 - this.turn;
    this.way.at = 0;
    this.asked = true;
    this.samples.mark(this.ends);
    this.walk();
    this.resemble();
  }

  show(value) {
    if (!value.scenario || value.stamp === this.value.stamp) return;
    const same = sameModel(value, this.value);
    this.value = value;
    this.box.dataset.prior = `${value.scenario}/${value.prior}`;
    if (same && !value.problem)
      this.fetchAll(); // new weights of the same prior
    else this.begin();
  }

  begin() {
    const {value, setting} = this;
    this.way?.play(false);
    delete this.box.dataset.drawn;
    delete this.box.dataset.way;
    if (value.problem) {
      this.box.replaceChildren(card(`${value.title} prior`, problemBox(value.problem)));
      return;
    }
    setting.label = -1;
    this.asked = false;
    this.turn = 0; // which of A and B is picked next
    this.ends = [0, Math.min(5, value.count - 1)].map(index => ({seed: setting.seed, index}));
    const changed = what => (what === "seed" ? this.sheet() : this.fetchAll());
    this.samples = new Samples(value, setting, {changed, pick: index => this.pick(index)});
    this.way = new Way(value);
    this.neighbours = new Neighbours();
    this.box.replaceChildren(this.samples.section, this.way.section, this.neighbours.section);
    this.fetchAll();
  }
}

/** value: {scenario, prior, target, defense, title, problem, conditional, classes, noun, count, tile, space, spherical, stamp} */
export function prior(element, props, trigger, watch) {
  const part = new Prior($(element, ".wb-prior"));
  const draw = () => part.show(props.value || {});
  watch("value", draw);
  draw();
}
