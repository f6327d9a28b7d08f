// Random samples of a prior: their seed, truncation and class, and which two of them are A and B.

import {button, canvas, make, menu} from "../dom.js";
import {capitalise} from "../format.js";
import {note, paint} from "./common.js";

const MOST_SEED = 2 ** 31;

export class Samples {
  /** changed: called when seed, truncation or class is another; pick: called with the sample that is clicked. */
  constructor(value, setting, {changed, pick}) {
    this.value = value;
    this.setting = setting; // {seed, share, label}, which outlives this part
    this.changed = changed;
    this.pick = pick;
    this.error = make("p", "wb-problem");
    this.error.hidden = true;
    this.error.setAttribute("role", "alert");
    this.section = make("section", "wb-card-text");
    this.section.append(
      make("h2", null, "What it imagines"),
      this.head(),
      this.grid(),
      note("Click a sample to make it A; the next click makes B, and so on in turn."),
      this.error,
    );
  }

  head() {
    const head = make("div", "wb-prior-head");
    const {field, box} = this.seedField();
    const dice = button("New seed", () => {
      this.setting.seed = Math.floor(Math.random() * 1e6);
      box.value = this.setting.seed;
      this.changed("seed");
    });
    dice.dataset.testid = "prior-dice";
    head.append(field, dice, this.truncation());
    if (this.value.conditional) head.append(this.classMenu());
    return head;
  }

  seedField() {
    const box = make("input", "wb-input wb-number");
    Object.assign(box, {type: "number", min: 0, max: MOST_SEED - 1, value: this.setting.seed});
    box.addEventListener("change", () => {
      const seed = Number(box.value);
      const fine = box.value !== "" && Number.isInteger(seed) && seed >= 0 && seed < MOST_SEED;
      box.setCustomValidity(fine ? "" : `A whole number from 0 to ${MOST_SEED - 1}`);
      if (!fine) {
        box.reportValidity();
        return;
      }
      this.setting.seed = seed;
      this.changed("seed");
    });
    const field = make("label", "wb-field", "Seed ");
    field.append(box);
    return {field, box};
  }

  truncation() {
    const told = make("output", null, this.setting.share.toFixed(2));
    const slider = make("input");
    Object.assign(slider, {type: "range", min: 0, max: 1, step: 0.05, value: this.setting.share});
    slider.title = "1: every sample as it is. Towards 0 they are drawn to the most ordinary image.";
    slider.dataset.testid = "truncation";
    slider.addEventListener("input", () => {
      this.setting.share = Number(slider.value);
      told.textContent = this.setting.share.toFixed(2);
      this.changed("share");
    });
    const field = make("label", "wb-field wb-grow", "Truncation ");
    field.append(slider, told);
    return field;
  }

  classMenu() {
    const choices = [["-1", "every one in turn"], ...this.value.classes.map((name, i) => [i, name])];
    const select = menu(choices, this.setting.label, chosen => {
      this.setting.label = Number(chosen);
      this.changed("label");
    });
    select.dataset.testid = "prior-class";
    const field = make("label", "wb-field", `${capitalise(this.value.noun)} `);
    field.append(select);
    return field;
  }

  grid() {
    const grid = make("div", "wb-samples-grid");
    grid.setAttribute("role", "group");
    grid.setAttribute("aria-label", "Random samples");
    this.tiles = Array.from({length: this.value.count}, (_, i) => {
      const tile = button("", () => this.pick(i), "wb-sample");
      tile.setAttribute("aria-label", `Sample ${i + 1}`); // from the beginning: its picture may take a while
      tile.append(canvas(this.value.tile));
      tile.tabIndex = i ? -1 : 0;
      return tile;
    });
    grid.append(...this.tiles);
    grid.addEventListener("keydown", event => this.move(event, grid));
    return grid;
  }

  /** The grid is one stop of the Tab key; arrows move within. */
  move(event, grid) {
    const from = this.tiles.indexOf(document.activeElement);
    const across = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const last = this.tiles.length - 1;
    const moves = {ArrowLeft: from - 1, ArrowRight: from + 1, ArrowUp: from - across, ArrowDown: from + across};
    const to = {...moves, Home: 0, End: last}[event.key];
    if (to == null || from < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const tile = this.tiles[Math.max(0, Math.min(last, to))];
    this.tiles.forEach(other => Object.assign(other, {tabIndex: other === tile ? 0 : -1}));
    tile.focus();
  }

  show(strip) {
    this.tiles.forEach((tile, i) => paint(tile.firstChild, strip, i, this.tiles.length));
    this.error.hidden = true;
  }

  fail(error) {
    this.error.textContent = error.message;
    this.error.hidden = false;
  }

  /** Marks the two samples [A, B], each {seed, index}. */
  mark(ends) {
    this.tiles.forEach((tile, i) => {
      const names = ends.map((end, k) => (end.seed === this.setting.seed && end.index === i ? "AB"[k] : ""));
      const name = names.filter(Boolean).join(" ");
      tile.dataset.end = name;
      tile.setAttribute("aria-pressed", name !== "");
      tile.setAttribute("aria-label", `Sample ${i + 1}${name && `, point ${name}`}`);
    });
  }
}
