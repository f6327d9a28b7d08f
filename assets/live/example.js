// A card's recorded example, on the stage while nothing else is: what a run of the card has found, played in a loop.
//
// It is asked for once the page is there, and is given up as soon as a run is wanted. It is no run: nothing of it is
// in the address, in the store, or among what keys and buttons of a run act on.

import {$, say, sayBold, still} from "../dom.js";
import {GrowingText} from "../lines.js";
import {page, setExample} from "../state.js";
import {Table, frameLine, lineAt} from "../table.js";
import {verdict} from "./words.js";

const found = new Map(); // of each card, its example or null, as promised

/** Asks for a card's example, once; null where it cannot be had. */
export function exampleOf(card) {
  if (!found.has(card)) {
    const asked = fetch(`/wb/examples/${encodeURIComponent(card)}.json`, {priority: "low"})
      .then(answer => (answer.ok ? answer.json() : null))
      .catch(() => null);
    found.set(card, asked);
  }
  return found.get(card);
}

const cardOf = key => page.cards.find(card => card.key === key);

export class ExampleShow {
  /** view: the live view, whose gallery and player show it; free: returns whether nothing else is shown. */
  constructor(view, free) {
    Object.assign(this, {view, free, box: $(view.root, ".wb-example"), shown: null, wanted: null});
    $(this.box, "[data-act=try]").addEventListener("click", () => cardOf(this.shown?.key)?.start());
  }

  /** Shows a card's example as soon as it is there, if the stage is still free then. */
  async want(card) {
    if (card === this.wanted || !cardOf(card)?.example) return;
    this.wanted = card;
    const example = await exampleOf(card);
    if (example && this.wanted === card && this.free()) this.begin(example);
  }

  /** Shows the first card's example, unless something else is shown, such as why there is no run. */
  wantFirst() {
    if (!this.wanted && this.free()) this.want(page.cards.find(card => card.example)?.key);
  }

  begin(example) {
    const {view} = this;
    view.clear("");
    Object.assign(this, {shown: example, wanted: example.key, sheets: new Map(), table: new Table(), sure: []});
    example.frames.forEach(({frame, sheet}) => this.sheets.set(frame, sheet));
    new GrowingText().take(example.curves, line => this.table.add(line));
    new GrowingText().take(example.conf, line => this.sure.push(frameLine(line)));
    view.root.dataset.state = "example";
    view.root.dataset.example = example.key;
    this.box.hidden = false;
    const {title, problem} = cardOf(example.key);
    say($(this.box, ".wb-example-title"), `${title} — press Run to see it live`);
    $(this.box, "[data-act=try]").disabled = Boolean(problem);
    const {gallery, player} = view;
    gallery.alone = true; // its plots are not drawn
    gallery.build(example.scene);
    if (example.truth) gallery.loadTruth(example.truth);
    view.root.classList.toggle("wb-no-truth", !example.scene.pairs);
    sayBold($(view.root, ".wb-verdict"), verdict(example.status, gallery.cards.length));
    player.own = example.frames.map(({frame}) => frame);
    player.grow(player.own.at(-1));
    this.look(null);
    view.fit();
    setExample(example.key);
    if (!still()) player.play();
  }

  /** Shows a frame, null for the last. */
  look(frame) {
    const {gallery, player} = this.view;
    const rowOf = each => this.table.upTo("frame", each);
    if (frame == null) player.halt();
    const at = player.own.findLast(each => each <= (frame ?? Infinity)) ?? player.own[0];
    if (frame == null) player.follow();
    else player.hold(at);
    player.label(rowOf(at), this.shown.scene.black_box ? "queries" : "step");
    gallery.meters(lineAt(this.sure, at)?.values, at === player.newest ? null : rowOf(at)?.step);
    gallery.load(this.sheets.get(at), () => this.view.zoom.refresh(gallery));
  }

  /** Takes it off the stage. */
  end() {
    this.wanted = null;
    if (!this.shown) return;
    this.shown = null;
    this.box.hidden = true;
    delete this.view.root.dataset.example;
    setExample(null);
  }
}
