// Models of rounds: whose, after which round, inverted alone or as a film over rounds.

import {button, make, menu, say, visible} from "../dom.js";
import {send} from "../study/requests.js";
import {Watched, field, number, text, wide} from "./parts.js";

const LOOK_MS = 2500;

/** What stands beneath a picture of the film. Pure. */
export function caption({round, state, recognised, accuracy}) {
  if (recognised) return `Round ${round}: judges know ${recognised[0]} of ${recognised[1]}`;
  if (accuracy != null) return `Round ${round}: evaluator ${Math.round(100 * accuracy)} %`;
  return `Round ${round}: ${state === "missing" ? "not attacked yet" : state}`;
}

export class Rounds {
  constructor(box, found, actorOf) {
    Object.assign(this, {found, actorOf});
    this.training = menu([], "", () => this.chosen());
    this.victim = menu([["global", "Global model"]], "global", () => this.refresh());
    this.attack = menu(
      found.attacks.map(a => [a.key, a.title]),
      "mi-face",
      () => this.refresh(),
    );
    this.classes = text("0-2");
    this.steps = number(300, 1, 20000, 1);
    this.classes.addEventListener("change", () => this.refresh());
    this.steps.addEventListener("change", () => this.refresh());
    this.round = make("input");
    Object.assign(this.round, {type: "range", min: 0, max: 1, value: 1, step: 1});
    this.round.addEventListener("input", () => this.tell());
    this.said = make("span", "wb-fed-round");
    const slider = make("label", "wb-fed-slider");
    slider.append(make("span", "wb-label", "Round"), this.round, this.said);
    const form = make("div", "wb-fed-form wb-fed-four");
    form.append(
      wide(field("Training", this.training)),
      field("Whose model", this.victim),
      field("Attack", this.attack),
      field("Classes", this.classes),
      field("Steps", this.steps),
    );
    this.go = button("Invert this model", () => this.start(), "wb-button wb-primary");
    this.shoot = button("Film over rounds", () => this.film("film"));
    this.problem = make("p", "wb-problem");
    this.problem.setAttribute("role", "alert");
    this.problem.hidden = true;
    const bar = make("div", "wb-fed-bar");
    bar.append(this.go, this.shoot);
    this.strip = make("div", "wb-fed-strip");
    this.strip.dataset.testid = "filmstrip";
    const view = make("div", "wb-fed-view");
    const left = make("div");
    left.append(form, slider, bar, this.problem);
    const both = make("div", "wb-fed-both");
    both.append(left, view);
    this.empty = make("p", "wb-note", "No training has been made among participants yet: train one above.");
    this.whole = make("div");
    this.whole.append(both, this.strip);
    box.append(
      make("h2", null, "What a round gives away"),
      make(
        "p",
        "wb-note",
        "A secure sum hides updates. The model that comes of it is everybody's, and is inverted as ever.",
      ),
      this.empty,
      this.whole,
    );
    this.watched = new Watched(view, "Private, one of each class", "What came out of the model");
    say(this.watched.state, "Invert this model, or film it over rounds: what comes out fills in here.");
    this.list(found.trainings);
    setInterval(() => visible(box) && this.going && this.film("frames").catch(() => {}), LOOK_MS);
  }

  list(trainings) {
    const before = this.training.value;
    this.trainings = trainings;
    this.training.replaceChildren(
      ...trainings.map((t, i) => new Option(`${t.scenario}, ${t.arch}, ${t.name}: ${t.done} of ${t.rounds} rounds`, i)),
    );
    this.empty.hidden = trainings.length > 0;
    this.whole.hidden = !trainings.length;
    if (before && before < trainings.length) this.training.value = before;
    this.chosen();
  }

  /** Takes up a round that is over. */
  changed(found) {
    const same = t => t.scenario === found.scenario && t.arch === found.arch && t.name === found.name;
    const others = this.trainings.filter(t => !same(t));
    if (found.done >= 0) this.list([found, ...others]);
  }

  chosen() {
    const one = this.trainings[this.training.value];
    if (!one) return;
    const before = this.victim.value;
    const who = Array.from({length: one.participants}, (_, i) => [`participant:${i}`, `Participant ${i}`]);
    this.victim.replaceChildren(...[["global", "Global model"], ...who].map(([key, words]) => new Option(words, key)));
    this.victim.value = before;
    if (!this.victim.value) this.victim.value = "global";
    this.round.max = one.done;
    this.round.value = one.done;
    this.refresh();
  }

  refresh() {
    this.tell();
    this.film("frames").catch(() => {});
  }

  tell() {
    const one = this.trainings[this.training.value];
    const card = one?.cards[this.round.value];
    const own = card?.participants.find(p => `participant:${p.number}` === this.victim.value);
    const accuracy = this.victim.value === "global" ? card?.accuracy : own?.accuracy;
    const known =
      accuracy == null ? "sent nothing that was taken" : `knows ${Math.round(100 * accuracy)} % of held-out images`;
    say(this.said, `${this.round.value} of ${one?.done ?? 0}: ${known}`);
  }

  target(one) {
    const who = this.victim.value.replace(":", "-");
    return `${one.arch}@${one.name}/${String(this.round.value).padStart(3, "0")}/${who}`;
  }

  asked(one) {
    return {
      scenario: one.scenario,
      attack: this.attack.value,
      classes: this.classes.value || "0",
      knobs: {steps: this.steps.value},
      actor: this.actorOf(),
    };
  }

  async start() {
    const one = this.trainings[this.training.value];
    this.problem.hidden = true;
    try {
      const {id} = await send("/wb/federated/run", "POST", {...this.asked(one), target: this.target(one)});
      this.watched.follow(id);
    } catch (error) {
      say(this.problem, error.message);
      this.problem.hidden = false;
    }
  }

  async film(how) {
    const one = this.trainings[this.training.value];
    if (!one) return;
    try {
      const asked = {...this.asked(one), arch: one.arch, name: one.name, victim: this.victim.value};
      const {frames} = await send(`/wb/federated/${how}`, "POST", asked);
      this.going = frames.some(f => ["queued", "running", "paused"].includes(f.state));
      const stamp = JSON.stringify(frames);
      if (stamp === this.stamp) return;
      this.stamp = stamp;
      this.strip.replaceChildren(...frames.map(frame => this.frame(frame)));
      this.problem.hidden = true;
    } catch (error) {
      if (how !== "film") return;
      say(this.problem, error.message);
      this.problem.hidden = false;
    }
  }

  frame(frame) {
    const figure = make("figure", "wb-fed-frame");
    if (frame.sheet) {
      const image = make("img");
      Object.assign(image, {src: frame.sheet, alt: `What came out of round ${frame.round}`});
      figure.append(image);
    } else figure.append(make("div", "wb-fed-blank"));
    const [round, said] = caption(frame).split(": ");
    const words = make("figcaption");
    words.append(make("strong", null, round), " ", make("span", null, said));
    figure.append(words);
    return figure;
  }
}
