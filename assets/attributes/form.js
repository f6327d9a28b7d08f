// What is attacked and how; whatever does not fit says why.

import {ask, button, make, menu} from "../dom.js";
import {Bring} from "./bring.js";
import {field, input} from "./fields.js";

const LEVELS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, null]; // privacy budgets; null for no privacy

/** A privacy budget in words. Pure. */
export const budget = epsilon => (epsilon == null ? "no privacy" : `ε = ${epsilon}`);

export class Form {
  constructor(start, chosen, turned) {
    Object.assign(this, {start, chosen, turned});
    this.box = make("div", "wb-attr-form");
    this.epsilon = null;
    this.bring = new Bring(scenario => this.load(scenario));
  }

  /** Puts a card's inference into the form and starts it, where it fits. */
  async begin({scenario, target, attack, epsilon}) {
    if (!(await this.load(scenario)) || this.options.problem) return;
    Object.assign(this.target, {value: target});
    Object.assign(this.attack, {value: attack});
    this.slider.value = LEVELS.indexOf(epsilon);
    this.turn(epsilon);
    if (!this.run.disabled) this.start(this.asked());
  }

  /** Takes up a table, the first one for ""; returns whether it could be read. */
  async load(scenario) {
    try {
      const options = await (await ask(`/wb/attributes/options.json?scenario=${encodeURIComponent(scenario)}`)).json();
      this.options = options;
      this.draw();
      if (!options.problem) this.chosen(options);
      return true;
    } catch (error) {
      this.box.replaceChildren(make("p", "wb-note", error.message));
      return false;
    }
  }

  draw() {
    const o = this.options;
    const scenarios = menu(
      o.scenarios.map(s => [s.key, s.title]),
      o.chosen,
      key => this.load(key),
    );
    this.bring.most = o.most_bytes;
    this.why = make("p", "wb-note");
    this.run = button("Run", () => this.start(this.asked()), "wb-button wb-primary");
    const go = make("div", "wb-attr-go");
    go.append(this.run, this.why);
    this.box.replaceChildren(go, field("Table", scenarios), this.bring.box);
    go.hidden = Boolean(o.problem);
    if (o.problem) {
      this.box.append(make("p", "wb-note", o.problem));
      return;
    }
    if (o.summary) this.box.append(make("p", "wb-note", o.summary));
    this.box.append(
      make(
        "p",
        o.synthetic ? "wb-attr-made-up" : "wb-note",
        `${o.records.toLocaleString("en")} private records: ${o.source}.`,
      ),
    );
    this.column = menu(
      o.sensitive.map(c => [c, c]),
      o.sensitive[0],
      () => this.chosen(o),
    );
    this.target = menu(
      o.targets.map(t => [t.key, t.title]),
      o.target,
      () => this.fit(),
    );
    this.attack = menu(
      o.attacks.map(a => [a.key, a.title]),
      o.attack,
      () => this.fit(),
    );
    this.about = make("p", "wb-note");
    this.unknown = input("");
    this.unknown.placeholder = "such as race, weight";
    this.records = input(Math.min(5000, o.records), "number");
    this.records.min = 1;
    this.slider = input(LEVELS.indexOf(this.epsilon), "range");
    this.slider.max = LEVELS.length - 1;
    this.slider.value = LEVELS.indexOf(this.epsilon);
    this.level = make("output", "", budget(this.epsilon));
    this.slider.addEventListener("input", () => this.turn(LEVELS[Number(this.slider.value)]));
    this.slider.setAttribute("aria-label", "Privacy of the training");
    this.slider.setAttribute("aria-valuetext", budget(this.epsilon));
    const slider = make("div", "wb-attr-field", "Privacy of the training");
    slider.append(this.level, this.slider);
    this.box.append(
      field("Sensitive column", this.column),
      field("Target", this.target),
      field("Attack", this.attack),
      this.about,
      field("Other columns that the attacker does not know", this.unknown),
      field("Records attacked", this.records),
      slider,
    );
    this.fit();
  }

  get sensitive() {
    return this.column.value;
  }

  turn(epsilon) {
    this.epsilon = epsilon;
    this.level.textContent = budget(epsilon);
    this.slider.setAttribute("aria-valuetext", budget(epsilon));
    this.turned(epsilon);
    this.fit();
  }

  /** Says what the attack is, and why it does not fit the target where it does not. */
  fit() {
    const attack = this.options.attacks.find(a => a.key === this.attack.value);
    const target = this.options.targets.find(t => t.key === this.target.value);
    this.about.textContent = `${attack.access}. ${attack.summary} ${attack.paper}.`;
    const problem = attack.problems[target.key] || (this.epsilon == null ? "" : target.private);
    this.why.textContent = problem;
    this.why.hidden = !problem;
    this.run.disabled = Boolean(problem);
  }

  asked() {
    return {
      scenario: this.options.chosen,
      attack: this.attack.value,
      target: this.target.value,
      sensitive: this.sensitive,
      unknown: this.unknown.value,
      records: Number(this.records.value),
      epsilon: this.epsilon,
    };
  }
}
