// What one update gives away: the attack, its switches, the threat that it is, and the picture.

import {beginning, button, make, menu, newest, say} from "../dom.js";
import {send} from "../study/requests.js";
import {Watched, field, folded, number, text, wide} from "./parts.js";

const PRESETS = [
  {
    title: "Works: one face, one linear layer",
    why: "One image, one step, and a network that begins with a linear layer: weights' gradient divided by the bias's is the image.",
    set: {
      scenario: "faces",
      arch: "mlp",
      attack: "closed-form",
      classes: "0",
      local_steps: 1,
      mode: "eval",
      labels: "inferred",
      weights: "trained",
      participants: 1,
    },
    actor: "server",
  },
  {
    title: "Works: one digit, a network without batch norm",
    why: "One image, one step, in eval mode, before training: the gradient is of that image alone, in a network that is smooth.",
    set: {
      scenario: "digits",
      arch: "convnet",
      attack: "inverting-gradients",
      classes: "3",
      local_steps: 1,
      mode: "eval",
      labels: "inferred",
      weights: "untrained",
      participants: 1,
      steps: 400,
    },
    actor: "server",
  },
  {
    title: "Works through a secure sum",
    why: "The server sends a layer that sorts images into bins. Masks hide who sent what, not what the sum holds.",
    set: {
      scenario: "faces",
      arch: "mlp",
      attack: "imprint",
      classes: "0-7",
      local_steps: 1,
      mode: "eval",
      labels: "inferred",
      weights: "untrained",
      participants: 4,
    },
    actor: "malicious",
  },
  {
    title: "Does not: Flower's tutorial setting",
    why: "32 images, several local steps, batch statistics: one update is the mean of too much, and the search finds a blur.",
    set: {
      scenario: "faces",
      arch: "cnn",
      attack: "inverting-gradients",
      classes: "0-31",
      local_steps: 4,
      mode: "train",
      labels: "inferred",
      weights: "trained",
      participants: 1,
      steps: 1000,
    },
    actor: "server",
  },
];

export class Update {
  constructor(box, found, actorOf, chooseActor) {
    Object.assign(this, {found, actorOf, chooseActor});
    const changed = () => this.check();
    this.controls = {
      scenario: menu(
        found.scenarios.map(s => [s.key, s.title]),
        found.scenarios[0]?.key,
        () => this.targets(),
      ),
      arch: menu([["mlp", "mlp"]], "mlp", changed),
      attack: menu(
        found.updates.map(u => [u.key, `${u.title} · ${u.threat}`]),
        "closed-form",
        changed,
      ),
      classes: text("0"),
      local_steps: number(1, 1, 32, 1),
      mode: menu(Object.entries(found.switches.mode), "eval", changed),
      labels: menu(Object.entries(found.switches.labels), "inferred", changed),
      weights: menu(Object.entries(found.switches.weights), "trained", changed),
      participants: number(1, 1, 32, 1),
      noise: number(0, 0, 10),
      pruned: number(0, 0, 0.999),
      restarts: number(1, 1, 8, 1),
      steps: number(1000, 1, 20000, 1),
      seed: number(0, 0, 2 ** 31 - 1, 1),
    };
    for (const input of Object.values(this.controls))
      if (input.tagName === "INPUT") input.addEventListener("input", changed);
    const fields = Object.entries(FIELDS).map(([name, words]) => [name, field(words, this.controls[name])]);
    wide(this.controls.attack.parentElement);
    const form = folded(fields, FIRST, "The batch, the switches and the search");
    const presets = make("div", "wb-begins");
    presets.append(...PRESETS.map(preset => beginning(preset, () => this.begin(preset))));
    this.letter = make("span", "wb-fed-letter");
    this.letter.title = "Threat model, A to H";
    this.summary = make("p", "wb-note");
    this.notes = make("ul", "wb-fed-notes");
    this.problem = make("p", "wb-problem");
    this.problem.setAttribute("role", "alert");
    this.problem.hidden = this.letter.hidden = true; // until it was asked what fits
    this.go = button("Invert the update", () => this.start(), "wb-button wb-primary");
    const bar = make("div", "wb-fed-bar");
    bar.append(this.go, this.letter);
    const view = make("div", "wb-fed-view");
    const left = make("div");
    left.append(form, bar, this.problem, this.summary, this.notes);
    const both = make("div", "wb-fed-both");
    both.append(left, view);
    box.append(make("h2", null, "What an update gives away"), presets, both);
    this.watched = new Watched(view, "What the participants hold", "What came out of their update");
    say(this.watched.state, "Press a card, or Invert the update: what comes out fills in here, beside the truth.");
    this.asking = newest(() => this.ask());
    this.targets();
  }

  targets() {
    const {scenario, arch} = this.controls;
    const place = this.found.scenarios.find(s => s.key === scenario.value);
    const models = this.found.trainings
      .filter(t => t.scenario === scenario.value)
      .map(t => [
        `${t.arch}@${t.name}/${String(t.done).padStart(3, "0")}/global`,
        `${t.arch}, ${t.name}, round ${t.done}`,
      ]);
    const titles = Object.fromEntries(this.found.archs.map(a => [a.key, a.title]));
    const before = arch.value;
    const choices = [...(place?.trained ?? []).filter(k => titles[k]).map(k => [k, titles[k]]), ...models];
    arch.replaceChildren(...choices.map(([key, words]) => new Option(words, key)));
    if (choices.some(([key]) => key === before)) arch.value = before;
    this.check();
  }

  /** Puts a card's setting into the form and inverts its update, where it fits. */
  async begin(card) {
    this.set(card);
    await this.ask();
    if (!this.go.disabled) await this.start();
  }

  set({set, actor}) {
    this.controls.scenario.value = set.scenario;
    this.targets();
    for (const [name, value] of Object.entries(set)) this.controls[name].value = value;
    this.chooseActor(actor);
    this.check();
  }

  asked() {
    const c = this.controls;
    const knobs = {};
    for (const name of ["local_steps", "mode", "labels", "weights", "participants", "noise", "pruned", "steps"])
      if (c[name].value !== "") knobs[name] = c[name].value;
    return {
      scenario: c.scenario.value,
      target: c.arch.value,
      attack: c.attack.value,
      classes: c.classes.value || "0",
      restarts: Number(c.restarts.value) || 1,
      seed: Number(c.seed.value) || 0,
      knobs,
      actor: this.actorOf(),
    };
  }

  check() {
    this.asking(null);
  }

  async ask() {
    const {letter, notes, problems, greyed} = await send("/wb/federated/check", "POST", this.asked()).catch(error => ({
      letter: "",
      notes: [],
      greyed: {},
      problems: [error.message],
    }));
    const info = this.found.updates.find(u => u.key === this.controls.attack.value);
    say(this.summary, info ? `${info.summary} ${info.paper}.` : "");
    say(this.letter, letter ? `Threat ${letter}` : "");
    this.letter.hidden = !letter;
    this.notes.replaceChildren(...notes.map(said => make("li", null, said)));
    say(this.problem, problems[0] ?? "");
    this.problem.hidden = !problems.length;
    this.go.disabled = problems.length > 0;
    for (const option of this.controls.attack.options) {
      const why = greyed[`attack:${option.value}`];
      option.disabled = Boolean(why) && option.value !== this.controls.attack.value;
      option.title = why ?? "";
    }
    for (const name of ["labels", "participants", "mode"]) {
      this.controls[name].disabled = Boolean(greyed[name]);
      this.controls[name].parentElement.title = greyed[name] ?? "";
    }
  }

  async start() {
    this.go.disabled = true;
    try {
      const {id} = await send("/wb/federated/run", "POST", this.asked());
      this.watched.follow(id);
    } catch (error) {
      say(this.problem, error.message);
      this.problem.hidden = false;
    } finally {
      this.go.disabled = false;
    }
  }
}

const FIRST = ["scenario", "arch", "attack"];
const FIELDS = {
  scenario: "Scenario",
  arch: "Model that was sent",
  attack: "Attack · threat",
  classes: "Batch: a class each",
  local_steps: "Local steps",
  mode: "Layers in training",
  labels: "Labels",
  weights: "Weights",
  participants: "Share the batch",
  noise: "Noise added",
  pruned: "Share pruned",
  steps: "Steps of the search",
  restarts: "Tries",
  seed: "Seed",
};
