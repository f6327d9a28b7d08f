// The training of the chosen prior or, where that is "", target: whether it can be had, how long, how it goes.

import {$, ask, button, make, menu, newest, visible} from "../dom.js";
import {capitalise, count, roughly} from "../format.js";
import {address, note, progressBar, sameModel} from "./common.js";
import {losses} from "./losses.js";

const GOING_MS = 1500;
const RESTING_MS = 6000;

/** What is said of a training; `stopping` where a person has just stopped it. */
export function told(training, stopping) {
  const {state, ended, progress} = training;
  if (state === "queued") return queued(training);
  if (!ended) return stopping ? "Stopping after the next report …" : going(training);
  if (state === "finished") return `Finished${progress.seconds ? ` after ${roughly(progress.seconds)}` : ""}.`;
  const why = training.reason.replace(/\.$/, "");
  if (why.startsWith(state)) return `${capitalise(why)}.`; // "stopped at step 300", which says it all
  return `${state === "stopped" ? "Stopped" : "Failed"}: ${why}.`;
}

function queued({position, wait, expected}) {
  const begins = wait == null ? "" : `; starts in about ${roughly(wait)}`;
  return `Number ${position ?? 1} in the queue${begins}${expected ? `, then takes about ${roughly(expected)}` : ""}.`;
}

function going({unit, progress: {step, total, seconds, left}}) {
  if (!step) return unit === "epoch" ? "Preparing." : "Preparing: reading the public images.";
  const where = `${unit === "epoch" ? "Epoch" : "Step"} ${count(step)} of ${count(total)}`;
  return `${where}, ${roughly(seconds)} so far${left ? `; about ${roughly(left)} left` : ""}.`;
}

/** What an offer to train says. */
function offered(found) {
  return [
    found.expected ? `Takes about ${roughly(found.expected)}.` : "",
    found.basis,
    "It waits in the same queue as runs; this page may be closed.",
    found.trained ? "The weights in use stay until the new ones are finished." : "",
    found.resumable ? "A training that was cut short can be resumed." : "",
  ]
    .filter(Boolean)
    .join(" ");
}

class Training {
  constructor(box, trigger) {
    this.box = box;
    this.trigger = trigger;
    this.value = {};
    this.news = null; // what was known when the page last looked
    this.shown = {id: null, step: null}; // the samples that are looked at; null for the newest
    this.stopping = "";
    this.quality = "quick";
    this.look = newest(() => this.fetch());
  }

  tell(doing, more) {
    const {scenario, prior, target, defense} = this.value;
    this.trigger("select", {do: doing, scenario, prior, victim: target, defense, quality: this.quality, ...more});
    setTimeout(this.look, 300);
    setTimeout(this.look, 1200);
  }

  async fetch() {
    clearTimeout(this.later);
    const {value} = this;
    if (!value.scenario) return;
    let on = false;
    try {
      const found = await (await ask(address(value, "training.json", {}))).json();
      if (value !== this.value) return;
      on = Boolean(found.training && !found.training.ended);
      const changed = this.changed(found);
      this.draw(found, on);
      if (changed) this.trigger("input");
    } catch (error) {
      this.box.replaceChildren(make("p", "wb-problem", error.message));
    }
    this.lookLater(on ? GOING_MS : RESTING_MS);
  }

  /** Whether it ended, or better weights came, since the page last looked: then everything else looks again. */
  changed(found) {
    const {training, trained} = found;
    const news = JSON.stringify([trained, training?.id, training?.ended, training?.sampled.length]);
    const before = this.news;
    this.news = news;
    if (before === null) return trained && this.value.trained === false;
    return news !== before && (trained || Boolean(training?.ended));
  }

  lookLater(wait) {
    clearTimeout(this.later);
    this.later = setTimeout(() => (visible(this.box) ? this.look() : this.lookLater(wait)), wait);
  }

  draw(found, on) {
    const {training, trained} = found;
    const open = $(this.box, "details")?.open;
    const offer = this.offer(found, on);
    const card = make("section", "wb-card-text");
    const parts = training ? [this.progress(training, on)] : [];
    this.box.dataset.state = training?.state ?? "none";
    if (trained && !on && (!training || training.state === "finished")) {
      const fold = make("details");
      fold.open = Boolean(open);
      fold.append(make("summary", null, "Train it again"), offer);
      if (training || this.value.title) card.append(make("h2", null, this.value.title ?? "Its newest training"));
      card.append(...parts, fold);
    } else {
      const title = trained ? "Train it again" : "Train it";
      card.append(make("h2", null, this.value.title ?? (on ? "It is being trained" : title)), ...parts, offer);
    }
    this.replace(card);
  }

  /** Puts in what was drawn, and the focus back where it was. */
  replace(card) {
    const active = this.box.contains(document.activeElement) ? document.activeElement : null;
    const {testid} = active?.dataset ?? {};
    this.box.replaceChildren(card);
    if (testid) $(this.box, `[data-testid="${testid}"]`)?.focus();
    else if (active?.tagName === "SUMMARY") $(this.box, "summary")?.focus();
  }

  offer(found, on) {
    const box = make("div");
    if (found.problems.length) box.append(...found.problems.map(note));
    else if (!on) box.append(this.acts(found), note(offered(found)));
    return box;
  }

  acts(found) {
    const acts = make("div", "wb-prior-head");
    if (found.device !== "cpu") acts.append(this.qualityField());
    const main = "wb-button wb-main";
    if (found.resumable) {
      const resume = button("Resume", () => this.tell("train", {resume: true}), main);
      resume.dataset.testid = "train-resume";
      acts.append(resume);
    }
    const first = !found.trained && !found.resumable;
    const title = found.trained ? "Train anew" : "Train";
    const train = button(title, () => this.tell("train", {resume: false}), first ? main : "wb-button");
    train.dataset.testid = "train";
    acts.append(train);
    return acts;
  }

  qualityField() {
    const choices = ["quick", "full"].map(name => [name, name]);
    const select = menu(choices, this.quality, chosen => Object.assign(this, {quality: chosen}));
    const field = make("label", "wb-field", "Quality ");
    field.append(select);
    return field;
  }

  progress(training, on) {
    const {id, progress, sampled, columns} = training;
    const line = make("p", null, told(training, this.stopping === id));
    line.setAttribute("role", "status");
    line.dataset.testid = "training-status";
    const curves = losses(columns, training.losses);
    const part = make("div");
    part.append(line);
    if (on) part.append(progressBar(progress.total ? progress.step / progress.total : 0));
    if (sampled.length) part.append(this.samples(training));
    if (curves) part.append(curves);
    if (on) part.append(this.stop(training));
    return part;
  }

  stop({id, state}) {
    const stop = button(
      state === "queued" ? "Take it back" : "Stop",
      () => {
        this.stopping = id;
        stop.disabled = true;
        this.tell("stop", {run: id});
      },
      "wb-button wb-danger",
    );
    stop.dataset.testid = "train-stop";
    stop.disabled = this.stopping === id;
    return stop;
  }

  samples({id, sampled: steps}) {
    if (this.shown.id !== id) this.shown = {id, step: null};
    const last = steps.length - 1;
    const at = this.shown.step == null ? last : Math.max(0, steps.indexOf(this.shown.step));
    const image = make("img", "wb-samples");
    image.dataset.testid = "training-samples";
    const words = make("span");
    const show = i => {
      image.src = `/wb/trainings/${id}/samples/${steps[i]}.webp`;
      image.alt = `Samples after ${steps[i]} steps`;
      words.textContent = `Samples after ${count(steps[i])} steps`;
    };
    show(at);
    const caption = make("figcaption");
    caption.append(words);
    if (last) caption.append(this.scrubber(steps, at, show));
    const element = make("figure", "wb-growing");
    element.append(image, caption);
    return element;
  }

  scrubber(steps, at, show) {
    const last = steps.length - 1;
    const slider = make("input");
    Object.assign(slider, {type: "range", min: 0, max: last, value: at});
    slider.dataset.testid = "training-scrub";
    slider.setAttribute("aria-label", "Samples of which step");
    slider.addEventListener("input", () => {
      const chosen = Number(slider.value);
      this.shown.step = chosen === last ? null : steps[chosen];
      show(chosen);
    });
    return slider;
  }

  show(value) {
    if (value.stamp === this.value.stamp) return;
    const other = !sameModel(value, this.value, ["scenario", "prior", "target", "defense"]);
    this.value = value;
    if (other || !value.scenario) {
      this.news = null;
      this.box.replaceChildren();
    }
    if (!value.scenario) {
      clearTimeout(this.later);
      return;
    }
    this.box.dataset.prior = `${value.scenario}/${value.prior}`;
    this.look();
  }
}

/** value: {scenario, prior, target, defense, trained, stamp, title: of the part where it is not the only one} */
export function training(element, props, trigger, watch) {
  const part = new Training($(element, ".wb-training"), trigger);
  const draw = () => part.show(props.value || {});
  watch("value", draw);
  draw();
}
