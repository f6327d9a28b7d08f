// The private images and their reconstructions, pair by pair.

import {$, canvas, describe, make, typeScale} from "../dom.js";
import {PALETTE} from "../plotting.js";
import {fit, heightFor} from "./grid.js";
import {coloursOf} from "./latent.js";

/** Copies picture `i` of a sheet onto a canvas. */
export function cut(context, sheet, i, {columns, tile: [w, h]}) {
  const [x, y] = [(i % columns) * w, Math.floor(i / columns) * h];
  context.drawImage(sheet, x, y, w, h, 0, 0, context.canvas.width, context.canvas.height);
}

/** Returns each candidate's name; with the number of the try, where a class has several. */
export function namesOf(candidates) {
  const several = candidates.some(c => c.restart);
  return candidates.map(c => c.label + (several ? ` · ${c.restart + 1}` : ""));
}

export class Gallery {
  /** open: called with a candidate's number when it is clicked. */
  constructor(root, open) {
    this.root = root;
    this.box = $(root, ".wb-gallery");
    this.open = open;
    this.reset();
  }

  reset() {
    Object.assign(this, {
      cards: [],
      scene: null,
      truth: null,
      sheet: null,
      asked: null,
      loading: false,
      waiting: null,
      alone: false,
    });
    this.box.replaceChildren();
  }

  get filled() {
    return this.cards.length > 0;
  }

  build(scene) {
    this.scene = scene;
    const names = namesOf(scene.candidates);
    const colours = coloursOf(scene.candidates);
    this.cards = scene.candidates.map((_, i) => this.card(i, names[i], PALETTE[colours[i]]));
    this.fit();
  }

  card(i, name, colour) {
    const {tile} = this.scene.sheet;
    const [truth, made] = [canvas(tile, `Private image of ${name}`), canvas(tile, `Reconstruction of ${name}`)];
    truth.className = "wb-true";
    made.className = "wb-made";
    const pair = make("span", "wb-pair");
    pair.append(truth, made);
    const share = make("span", "wb-pct");
    const caption = make("span", "wb-cap");
    caption.append(make("span", "wb-name", name), share);
    const bar = make("i");
    const meter = make("span", "wb-meter");
    meter.title = "The target's confidence in this class";
    meter.append(bar);
    const card = make("button", "wb-card");
    card.type = "button";
    card.title = name;
    card.dataset.testid = "card";
    card.style.setProperty("--c", colour);
    card.append(pair, caption, meter);
    card.addEventListener("click", () => this.open(i));
    const item = make("div", "wb-item");
    item.setAttribute("role", "listitem");
    item.append(card);
    this.box.append(item);
    return {name, truth, made, share, bar, told: null, percent: null};
  }

  fit() {
    const [count, width] = [this.cards.length, this.box.clientWidth];
    if (!count || !width) return;
    const {tile} = this.scene.sheet;
    const [ratio, pair] = [tile[1] / tile[0], this.scene.pairs ? 2 : 1];
    const type = typeScale();
    const height = heightFor(count, innerHeight, width, this.alone || type > 1);
    const found = fit({count, width, height, ratio, pair, type});
    const {style} = this.box;
    style.setProperty("--s", `${found.size}px`);
    style.setProperty("--r", ratio);
    style.setProperty("--g", `${found.gap}px`);
    style.gridTemplateColumns = found.scrolls
      ? `repeat(auto-fill, ${found.size * pair + 10}px)`
      : `repeat(${found.columns}, max-content)`;
    this.dense = found.dense;
    this.box.classList.toggle("wb-dense", found.dense);
  }

  /** Fetches the private images, once. */
  loadTruth(address) {
    const image = new Image();
    this.truth = image;
    image.onload = () => {
      if (this.truth === image) this.cards.forEach((card, i) => this.cutTo(card.truth, image, i));
    };
    image.src = address;
  }

  cutTo(element, sheet, i) {
    cut(element.getContext("2d"), sheet, i, this.scene.sheet);
  }

  /** Draws a sheet, then calls `shown`; while one is being decoded only the newest that came meanwhile is kept. */
  load(address, shown) {
    if (address === this.asked) return;
    if (this.loading) {
      this.waiting = [address, shown];
      return;
    }
    this.loading = true;
    this.asked = address;
    const image = new Image();
    const {cards} = this;
    const done = ok => {
      if (cards !== this.cards) return; // of another run
      this.loading = false;
      if (ok) {
        this.sheet = image;
        this.cards.forEach((card, i) => this.cutTo(card.made, image, i));
        shown();
      }
      if (this.waiting) {
        const next = this.waiting;
        this.waiting = null;
        this.load(...next);
      }
    };
    image.onload = () => done(true);
    image.onerror = () => done(false);
    image.src = address;
  }

  /** Makes the next sheet be drawn even where it is the last one again. */
  forget() {
    this.asked = null;
  }

  /** Shows confidences, percent of each candidate or null; `step` where an earlier frame is looked at. */
  meters(percents, step) {
    this.cards.forEach((card, i) => {
      const percent = percents?.[i] ?? null;
      const now = `${percent} ${step}`;
      if (card.told === now) return;
      Object.assign(card, {told: now, percent});
      if (!this.dense) card.share.textContent = percent == null ? "" : `${percent} %`;
      card.bar.style.transform = `scaleX(${(percent ?? 0) / 100})`;
      const when = step == null ? "" : `, step ${step}`;
      const sure = percent == null ? "" : `, target's confidence ${percent} percent`;
      describe(card.made, `Reconstruction of ${card.name}${when}${sure}`);
    });
  }
}
