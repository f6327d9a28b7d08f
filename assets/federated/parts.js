// What the parts of the tab share: fields, and a run that is watched.

import {make, say} from "../dom.js";
import {Follower} from "../live/follower.js";

export function field(text, control, hint) {
  const label = make("label", "wb-fed-field");
  label.append(make("span", "wb-label", text), control);
  if (hint) label.title = hint;
  return label;
}

/** The fields of a form: those that matter to everybody, then a fold of all others. `fields`: of (name, field). */
export function folded(fields, first, summary) {
  const form = make("div", "wb-fed-form wb-fed-first");
  const rest = make("div", "wb-fed-form");
  for (const [name, one] of fields) (first.includes(name) ? form : rest).append(one);
  const fold = make("details", "wb-fed-fold");
  fold.append(make("summary", null, summary), rest);
  const both = make("div");
  both.append(form, fold);
  return both;
}

/** Gives a field the whole line of its form. */
export function wide(label) {
  label.classList.add("wb-fed-wide");
  return label;
}

export function number(value, lo, hi, step = "any") {
  const input = make("input", "wb-input");
  Object.assign(input, {type: "number", value, min: lo, max: hi, step});
  return input;
}

export function text(value) {
  const input = make("input", "wb-input");
  Object.assign(input, {type: "text", value, maxLength: 200});
  return input;
}

/** How near the images of a batch were found, in words. Pure. */
export function nearness(matched) {
  if (!matched || !matched.psnr.length) return "";
  const each = matched.psnr.map((near, i) => `${near.toFixed(1)} dB (SSIM ${matched.ssim[i].toFixed(2)})`);
  const shown = each.slice(0, 8).join(", ");
  return `PSNR of each image beside its own original: ${shown}${each.length > 8 ? " …" : ""}`;
}

/** How far a run is, in words. Pure. */
export function standing({state, step, total, reason, position}) {
  if (state === "queued") return position > 1 ? `Waits: ${position - 1} before it.` : "Waits for the worker.";
  if (state === "failed") return `Failed: ${reason}`;
  const steps = total ? `step ${step} of ${total}` : "";
  return state === "finished" ? `Done, ${steps}.` : `${state[0].toUpperCase()}${state.slice(1)}, ${steps}`;
}

/** A run beside the truth, followed while it goes. */
export class Watched {
  /** truth, found: what stands beneath the two pictures. */
  constructor(box, truth, found) {
    this.state = make("p", "wb-fed-state");
    this.state.setAttribute("role", "status");
    this.note = make("p", "wb-note");
    this.near = make("p", "wb-fed-near");
    this.truth = this.picture(truth);
    this.found = this.picture(found);
    const pair = make("div", "wb-fed-pair");
    pair.append(this.truth.figure, this.found.figure);
    box.replaceChildren(this.state, pair, this.near, this.note);
    this.follower = new Follower({take: message => this.take(message), gone: (run, why) => say(this.state, why)});
  }

  picture(caption) {
    const figure = make("figure", "wb-fed-picture");
    const image = make("img");
    image.alt = caption;
    image.hidden = true;
    figure.append(image, make("figcaption", null, caption));
    return {figure, image};
  }

  follow(run) {
    this.run = run;
    for (const {image} of [this.truth, this.found]) image.hidden = true;
    say(this.near, "");
    say(this.note, "");
    this.follower.follow(run);
  }

  take({sheet, status, scene}) {
    if (scene && scene.truth) this.show(this.truth, `/wb/runs/${this.run}/truth.webp`);
    if (sheet) this.show(this.found, sheet);
    say(this.state, standing(status));
    say(this.note, status.note || "");
    say(this.near, nearness(status.matched));
  }

  show({image}, address) {
    if (image.getAttribute("src") !== address) image.src = address;
    image.hidden = false;
  }
}
