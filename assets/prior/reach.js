// How far private images are from what the prior can draw.

import {$, ask, button, canvas, make, newest, visible} from "../dom.js";
import {roughly} from "../format.js";
import {address, card, note, paint, picture, progressBar, sameModel, setProgress} from "./common.js";

const LOOK_MS = 700;
const WAKE_MS = 1500;
const WORDS =
  "The prior is shown a held-out private image and its latent is searched for the most similar picture. No attack is " +
  "told that much: what this search cannot draw, no attack with this prior can. It bounds likeness; the judge's " +
  "verdict alone can be pleased by less.";
const TITLE = "How far does it reach?";

/** What is said of a search. */
function told(found) {
  const fixed = {
    waiting: "Waits for the computation before it.",
    running: found.text,
    failed: found.problem,
    stopped: "Stopped; what was found so far:",
    finished: `Found in ${roughly(found.seconds)}.`,
  };
  return fixed[found.state] ?? "Not searched yet; takes about half a minute.";
}

function summary(verdicts) {
  if (!verdicts.length) return "";
  const mean = name => verdicts.reduce((sum, v) => sum + v[name], 0) / verdicts.length;
  const judged = verdicts.filter(v => v.judged != null);
  const right = name => judged.filter(v => v[name] === v.label).length;
  const accuracy = judged.length
    ? `, Acc@1 ${right("judged")} of ${judged.length} (the photographs themselves: ${right("photograph_judged")})`
    : "";
  return `Mean PSNR ${mean("psnr").toFixed(1)} dB, SSIM ${mean("ssim").toFixed(2)}${accuracy}.`;
}

function caption(verdict) {
  const element = make("figcaption");
  if (!verdict) return element;
  const figures = [`${verdict.psnr.toFixed(1)} dB`, `SSIM ${verdict.ssim.toFixed(2)}`];
  element.append(make("b", null, verdict.name), ...figures.map(text => make("span", null, text)));
  if (verdict.said == null) return element;
  const right = verdict.judged === verdict.label;
  const judged = make("span", right ? "wb-yes" : "wb-no", right ? "✓ recognised" : "✗ judge errs");
  judged.title = `The judge says ${verdict.said}, ${Math.round(100 * verdict.confidence)} %`;
  element.append(judged);
  return element;
}

class Reach {
  constructor(box, trigger) {
    this.box = box;
    this.trigger = trigger;
    this.value = {};
    this.classes = "";
    this.wide = false;
    this.look = newest(() => this.fetch());
  }

  get usualClasses() {
    return `0-${Math.min(this.value.most, this.value.classes.length) - 1}`;
  }

  async fetch() {
    clearTimeout(this.later);
    const {value, classes, wide} = this;
    if (value.problem || value.private || !value.scenario || !this.status) return;
    try {
      const found = await (await ask(address(value, "reach.json", {classes, wide}))).json();
      if (value === this.value) this.showFound(found);
    } catch (error) {
      this.status.textContent = error.message;
    }
  }

  showFound(found) {
    const going = ["waiting", "running"].includes(found.state);
    this.box.dataset.state = found.state;
    this.go.textContent = going ? "Stop" : "Search";
    this.go.hidden = found.state === "finished" || (going && !found.mine); // else it is somebody else's to stop
    this.doing = going ? "end-reach" : "reach";
    this.bar.hidden = !going;
    setProgress(this.bar, found.share);
    this.status.textContent = told(found);
    if (found.count) this.showPictures(found);
    else this.result.replaceChildren();
    if (going) this.lookLater(LOOK_MS);
  }

  lookLater(wait) {
    this.later = setTimeout(() => (visible(this.box) ? this.look() : this.lookLater(WAKE_MS)), wait);
  }

  async showPictures(found) {
    const {value} = this;
    const [wanted, images] = await Promise.all([found.wanted, found.images].map(picture));
    if (value !== this.value) return;
    const cards = Array.from({length: found.count}, (_, i) => {
      const one = canvas(value.tile, "Private image, held out");
      const two = canvas(value.tile, "The nearest the prior can draw");
      paint(one, wanted, i, found.count);
      paint(two, images, i, found.count);
      const element = make("figure", "wb-reached");
      element.append(one, two, caption(found.verdicts[i]));
      return element;
    });
    this.result.replaceChildren(...cards);
    this.sum.textContent = summary(found.verdicts);
  }

  tell() {
    const {scenario, prior, target, defense} = this.value;
    const {classes, wide} = this;
    this.trigger("select", {do: this.doing, scenario, prior, victim: target, defense, classes, wide});
    setTimeout(this.look, 250);
    setTimeout(this.look, 900);
  }

  head() {
    const text = make("input", "wb-input");
    Object.assign(text, {value: this.classes, size: 10});
    text.dataset.testid = "reach-classes";
    text.addEventListener("change", () => {
      this.classes = text.value.trim() || this.usualClasses;
      text.value = this.classes;
      this.look();
    });
    const field = make("label", "wb-field", `Classes, at most ${this.value.most} `);
    field.append(text);
    this.doing = "reach";
    this.go = button("Search", () => this.tell());
    this.go.dataset.testid = "reach-go";
    const head = make("div", "wb-prior-head");
    head.append(field, ...(this.value.wide ? [this.wideField()] : []), this.go);
    return head;
  }

  wideField() {
    const box = make("input");
    Object.assign(box, {type: "checkbox", checked: this.wide});
    box.addEventListener("change", () => {
      this.wide = box.checked;
      this.look();
    });
    const field = make("label", "wb-field");
    field.append(box, " w+ (a latent for each layer)");
    return field;
  }

  build() {
    const head = this.head();
    this.status = note("");
    this.status.setAttribute("role", "status");
    this.bar = progressBar(0);
    this.bar.hidden = true;
    this.result = make("div", "wb-reached-grid");
    this.sum = make("p", "wb-strong");
    this.sum.dataset.testid = "reach-sum";
    const parts = [make("p", null, WORDS), head, this.bar, this.status, this.result, this.sum];
    this.box.replaceChildren(card(TITLE, ...parts));
  }

  show(value) {
    if (!value.scenario || value.stamp === this.value.stamp) return;
    const other = value.scenario !== this.value.scenario;
    const same = sameModel(value, this.value);
    this.value = value;
    if (same && !value.problem && this.status) {
      this.look();
      return;
    }
    this.box.dataset.prior = `${value.scenario}/${value.prior}`;
    if (other) this.classes = this.usualClasses;
    this.wide &&= value.wide;
    clearTimeout(this.later);
    delete this.box.dataset.state;
    this.status = null;
    if (value.problem) this.box.replaceChildren();
    else if (value.slow) this.refuse("This prior draws too slowly for its latents to be searched.");
    else if (value.private) this.refuse(value.private);
    else {
      this.build();
      this.look();
    }
  }

  refuse(why) {
    this.box.replaceChildren(card(TITLE, note(why)));
  }
}

/** value: as of `prior`, and {private, slow, wide, most}. */
export function reach(element, props, trigger, watch) {
  const part = new Reach($(element, ".wb-reach"), trigger);
  const draw = () => part.show(props.value || {});
  watch("value", draw);
  draw();
}
