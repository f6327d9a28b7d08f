// The guided lesson: captions beside the stage, step by step. Each step puts its card's recorded example on the stage.

import {button, make} from "../dom.js";
import {exampleOf} from "../live/example.js";
import {facts} from "../live/words.js";
import {onCards, page} from "../state.js";
import {STEPS} from "./steps.js";

const PARAMETER = "lesson"; // of the address: the step, from 1

/** The card that a step shows: the first that names it, else the first of all. Pure. */
export const cardFor = (id, cards) => cards.find(card => card.lesson.includes(id)) ?? cards[0] ?? null;

/** The step, from 0, that an address asks for; null for none. Pure. */
export function stepAsked(text) {
  if (!text) return null;
  const step = Number(text);
  return Number.isInteger(step) ? Math.max(0, Math.min(STEPS.length - 1, step - 1)) : 0;
}

export class Lesson {
  constructor(box) {
    Object.assign(this, {box, step: 0, open: false, before: "", ran: new Map()});
  }

  toggle() {
    if (this.open) this.leave();
    else this.enter(0);
  }

  enter(step) {
    this.open = true;
    this.before = page.view?.now.run ?? "";
    this.ran.clear();
    this.box.hidden = false;
    document.querySelector("#tab-invert-button")?.click(); // where the stage is
    this.show(step);
    this.box.querySelector("h2").focus({preventScroll: true});
  }

  /** Ends the lesson; what was shown before it is shown again, unless a run has begun meanwhile. */
  leave() {
    this.open = false;
    this.box.hidden = true;
    delete document.documentElement.dataset.lesson;
    this.address(null);
    if (this.before && page.view && !page.view.now.run) page.view.show(this.before);
  }

  /** Goes so many steps on; from the last nowhere. */
  by(change) {
    this.turn(this.step + change);
  }

  turn(step) {
    if (step === this.step || !STEPS[step]) return;
    this.keep();
    this.show(step);
  }

  /** Remembers a run that was begun in this step, so that it is there when one comes back. */
  keep() {
    const run = page.view?.now.run;
    if (run && run !== this.before) this.ran.set(this.step, run);
  }

  show(step) {
    this.step = step;
    const {id} = STEPS[step];
    document.documentElement.dataset.lesson = id;
    this.address(step + 1);
    this.fill();
    const card = cardFor(id, page.cards);
    if (this.ran.has(step)) page.view?.show(this.ran.get(step));
    else if (card?.example) page.view?.exhibit(card.key);
  }

  address(step) {
    const url = new URL(location.href);
    if (step) url.searchParams.set(PARAMETER, step);
    else url.searchParams.delete(PARAMETER);
    history.replaceState(null, "", url);
  }

  // -- what stands in it --

  fill() {
    const step = STEPS[this.step];
    const heading = make("h2", "wb-h2", step.title);
    heading.tabIndex = -1;
    const said = make("div", "wb-lesson-said");
    said.setAttribute("aria-live", "polite");
    said.append(heading, ...step.text.map(text => make("p", null, text)));
    if (step.table) said.append(this.table(step));
    said.append(make("p", "wb-lesson-ask", step.ask));
    this.box.replaceChildren(this.places(), said, ...this.runButton(step), this.ways());
  }

  /** The steps as dots that can be pressed. */
  places() {
    const list = make("nav", "wb-lesson-places");
    list.setAttribute("aria-label", "Steps of the lesson");
    STEPS.forEach(({title}, i) => {
      const dot = button(String(i + 1), () => this.turn(i), "wb-plain");
      dot.title = title;
      dot.setAttribute("aria-label", `Step ${i + 1}: ${title}`);
      if (i === this.step) dot.setAttribute("aria-current", "step");
      list.append(dot);
    });
    return list;
  }

  runButton({id, run}) {
    const card = cardFor(id, page.cards);
    if (!run || !card || card.problem) return [];
    return [button("Run it live", () => card.start(), "wb-button wb-lesson-run")];
  }

  ways() {
    const row = make("div", "wb-lesson-ways");
    const back = button("Back", () => this.by(-1));
    const next = button("Next", () => this.by(1));
    back.disabled = this.step === 0;
    next.disabled = this.step === STEPS.length - 1;
    next.dataset.testid = "lesson-next";
    row.append(
      back,
      next,
      button("Leave", () => this.leave(), "wb-plain"),
    );
    return row;
  }

  /** What evaluator and judges say of the examples of some steps; filled once they are there. */
  table({table, eye}) {
    const element = make("table", "wb-lesson-table");
    const shown = [...new Map(table.map(id => [cardFor(id, page.cards)?.key, cardFor(id, page.cards)])).values()];
    Promise.all(shown.filter(card => card?.example).map(async card => [card, await exampleOf(card.key)])).then(found =>
      element.append(
        ...rows(
          found.filter(([, example]) => example),
          eye,
        ),
      ),
    );
    return element;
  }
}

/** A table's rows: a line for each who judges, a column for each example. */
function rows(examples, eye) {
  if (!examples.length) return [];
  const line = (name, cells, tag = "td") => {
    const row = make("tr");
    const head = make("th", null, name);
    head.scope = tag === "td" ? "row" : "col";
    row.append(head, ...cells.map(cell => make(tag, null, cell ?? "–")));
    return row;
  };
  const found = examples.map(([, {status, scene}]) => facts(status, scene.candidates.length));
  const accuracies = examples.map(([, {status}]) => status.target_accuracy);
  const titles =
    examples.length > 1
      ? [
          line(
            "",
            examples.map(([card]) => card.title),
            "th",
          ),
        ]
      : [];
  const accuracy = accuracies.map(share => (share == null ? null : `${Math.round(100 * share)} %`));
  return [
    ...titles,
    line(
      "Evaluator",
      found.map(each => each.evaluator),
    ),
    line(
      "Face judges",
      found.map(each => each.judges),
    ),
    ...(eye
      ? [
          line(
            "Your eye",
            examples.map(() => "?"),
          ),
        ]
      : []),
    ...(examples.length > 1 && accuracies.some(share => share != null) ? [line("Network's accuracy", accuracy)] : []),
  ];
}

/** element: as Gradio gives it to an HTML component's `js_on_load`. */
export function lesson(element) {
  const taught = new Lesson(element.querySelector(".wb-lesson"));
  page.lesson = taught;
  const asked = stepAsked(new URL(location.href).searchParams.get(PARAMETER));
  if (asked === null) return;
  let begun = false; // once cards and stage are there
  onCards(() => {
    if (!begun) taught.enter(asked);
    begun = true;
  });
}
