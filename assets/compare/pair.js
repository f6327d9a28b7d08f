// Two runs person by person: the private image, A and B beside each other, over one another, or in turn.

import {$, ask, button, canvas, describe, make, menu, newest, say, still, visible} from "../dom.js";
import {verdict} from "../live/words.js";
import {onPins, pins, setPins} from "./pins.js";

const STEPS = 1000; // of the slider that both runs share
const PLAY_MS = 90;
const BLINK_MS = 700;
const MODES = [
  ["side", "Side by side"],
  ["wipe", "Wipe"],
  ["blink", "Blink"],
];
const NOBODY = "Choose two runs, or pin them where you see them: in Invert, in Runs, or in a table.";
const SAID = {yes: "recognised", no: "not recognised", unclear: "too blurred to tell"};
const MARKS = {yes: "✓", no: "✗", unclear: "?"};
const COLOURS = {yes: "wb-yes", no: "wb-no"};
const LETTERS = ["A", "B"];

/** Which of `count` recorded frames stands at a share of the way, 0 to 1. Pure. */
export const frameAt = (count, share) => Math.round(share * (count - 1));

/** What is said under a face of one run. Pure. */
export const markOf = (letter, {said}) => (said ? `${letter} ${MARKS[said]}` : "");

const picture = address =>
  new Promise(resolve => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => resolve(null);
    image.src = address;
  });

class Pair {
  constructor(root) {
    this.root = root;
    this.share = 1;
    this.mode = "side";
    this.sheets = [null, null];
    this.load = newest(() => this.read());
    this.look = newest(() => this.fetchSheets());
    this.build();
    onPins(() => this.load());
    new ResizeObserver(() => visible(root) && this.offer()).observe(root);
  }

  build() {
    this.bar = make("div", "wb-versus-bar");
    this.words = make("div", "wb-versus-words");
    this.problem = make("p", "wb-note", NOBODY);
    this.problem.setAttribute("role", "status");
    this.body = make("div", "wb-versus-body");
    this.body.hidden = true;
    this.scrub = make("input");
    Object.assign(this.scrub, {type: "range", min: 0, max: STEPS, value: STEPS});
    this.scrub.setAttribute("aria-label", "How far both runs are");
    this.scrub.dataset.testid = "pair-scrub";
    this.scrub.addEventListener("input", () => {
      this.halt();
      this.go(this.scrub.value / STEPS);
    });
    this.where = make("output", "wb-hint");
    this.playing = button("Play", () => this.play());
    this.modes = make("span", "wb-versus-modes");
    this.modes.setAttribute("role", "group");
    this.modes.setAttribute("aria-label", "How A and B are laid");
    this.modes.append(...MODES.map(([key, text], i) => this.modeButton(key, text, i)));
    this.wiper = make("input");
    Object.assign(this.wiper, {type: "range", min: 0, max: 100, value: 50});
    this.wiper.setAttribute("aria-label", "How much of A lies over B, percent");
    this.wiper.addEventListener("input", () => this.wipe());
    this.wiping = make("label", "wb-versus-wiper");
    this.wiping.append(make("b", "wb-a", "A"), this.wiper, make("b", "wb-b", "B"));
    this.faces = make("div", "wb-versus-faces");
    this.faces.dataset.testid = "pair-faces";
    this.tables = make("div", "wb-two");
    const controls = make("div", "wb-versus-controls");
    controls.append(this.modes, this.wiping);
    const line = make("div", "wb-versus-scrub");
    line.append(this.playing, this.scrub, this.where);
    this.legend = make("p", "wb-note");
    this.body.append(controls, line, this.legend, this.faces, this.tables);
    this.root.append(this.bar, this.problem, this.words, this.body);
    this.root.addEventListener("keydown", event => this.key(event));
    this.setMode("side");
  }

  modeButton(key, text, i) {
    const made = button(text, () => this.setMode(key));
    made.dataset.mode = key;
    made.title = `Key ${i + 1}`;
    return made;
  }

  /** Reads which runs there are, each time the tab is turned to. */
  async offer() {
    const runs = await (await ask("/wb/pairs/runs.json")).json();
    if (JSON.stringify(runs) === this.offered) return;
    this.offered = JSON.stringify(runs);
    this.runs = runs;
    this.pickers();
    this.load();
  }

  pickers() {
    const now = pins();
    const choices = [["", "–"], ...this.runs.map(({run, text}) => [run, text])];
    for (const gone of [now.a, now.b]) if (gone && !this.runs.some(r => r.run === gone)) choices.push([gone, gone]);
    const pick = (letter, key) => {
      const label = make("label", `wb-versus-pick wb-${key}`);
      const select = menu(choices, now[key], run => setPins({...pins(), [key]: run}));
      select.dataset.testid = `pair-${key}`;
      label.append(make("b", null, letter), select);
      return label;
    };
    const swap = button("Swap", () => this.swap());
    swap.title = "Key X";
    this.bar.replaceChildren(pick("A", "a"), pick("B", "b"), swap);
  }

  swap() {
    const {a, b} = pins();
    setPins({a: b, b: a});
  }

  /** Reads the two runs that are pinned. */
  async read() {
    if (!visible(this.root) || !this.runs) return;
    const {a, b} = pins();
    if (this.bar.contains(document.activeElement))
      this.bar.querySelectorAll("select").forEach((s, i) => (s.value = [a, b][i]));
    else this.pickers();
    if (!a || !b) {
      this.empty(NOBODY);
      return;
    }
    try {
      const query = new URLSearchParams({a, b});
      this.data = await (await ask(`/wb/pairs/pair.json?${query}`)).json();
    } catch (error) {
      this.empty(error.message);
      return;
    }
    this.problem.hidden = true;
    this.body.hidden = false;
    await this.draw();
  }

  empty(why) {
    this.halt();
    this.data = null;
    this.problem.hidden = false;
    this.body.hidden = true;
    this.words.replaceChildren();
    say(this.problem, why);
  }

  async draw() {
    const {sides, people, alone, measures, settings} = this.data;
    this.words.replaceChildren(
      ...sides.map(({name, title, seed, run, status, marks}, i) => {
        const line = make("p", `wb-${"ab"[i]}`);
        const said = verdict(status, marks.length);
        line.append(make("b", null, LETTERS[i]), make("span", null, `${name || title}, seed ${seed} · ${run}`));
        if (said) line.append(make("span", "wb-versus-said", said));
        return line;
      }),
    );
    const legend = [
      "Left: the private image.",
      "✓ every judge names the person, ✗ one says it is not, ? they cannot tell.",
      alone,
    ];
    say(this.legend, legend.filter(Boolean).join(" "));
    this.cards = people.map(person => this.card(person));
    this.faces.replaceChildren(...this.cards.map(({element}) => element));
    this.tables.replaceChildren(
      this.table(["measure", "A", "B"], measures, "Neither was judged.", "num"),
      this.table(["set differently", "A", "B"], settings, "Nothing: the same settings.", ""),
    );
    this.addresses = [];
    const from = sides.findIndex(({truth}) => truth);
    const truth = from < 0 ? null : await picture(`/wb/runs/${sides[from].run}/truth.webp`);
    this.cards.forEach(({truth: made, person}) => this.cut(truth, from, made, person));
    this.setMode(this.mode);
    this.go(this.share);
  }

  card(person) {
    const {sides} = this.data;
    const element = make("div", "wb-versus-card");
    const [truth, a, b] = [
      `Private image of ${person.label}`,
      ...LETTERS.map(letter => `${letter}'s reconstruction of ${person.label}`),
    ].map(label => canvas(sides[0].sheet.tile, label));
    const both = make("span", "wb-versus-both");
    both.append(a, b);
    const row = make("span", "wb-versus-row");
    row.append(truth, both);
    const said = make("span", "wb-versus-marks");
    [person.a, person.b].forEach((at, i) => {
      const mark = sides[i].marks[at] ?? {};
      const text = make("span", COLOURS[mark.said], markOf(LETTERS[i], mark));
      text.title = (mark.judges ?? []).map(([who, answer]) => `${who}: ${answer}`).join("; ");
      if (mark.said) text.setAttribute("aria-label", `${LETTERS[i]} ${SAID[mark.said]}`);
      said.append(text);
    });
    element.append(row, make("b", null, person.label), said);
    return {element, person, truth, made: [a, b]};
  }

  table(head, rows, nothing, kind) {
    const [box, table, body] = [make("div", "wb-scroll"), make("table", "wb-table"), make("tbody")];
    const top = make("thead");
    const line = make("tr");
    line.append(...head.map((text, i) => Object.assign(make("th", i ? kind : "", text), {scope: "col"})));
    top.append(line);
    for (const [name, ...values] of rows) {
      const made = make("tr");
      made.append(Object.assign(make("th", null, name), {scope: "row"}), ...values.map(v => make("td", kind, v)));
      body.append(made);
    }
    if (!rows.length) {
      const made = make("tr");
      made.append(Object.assign(make("td", null, nothing), {colSpan: head.length}));
      body.append(made);
    }
    table.append(top, body);
    box.append(table);
    return box;
  }

  cut(image, side, element, person) {
    if (!image) return;
    const {columns, tile} = this.data.sides[side].sheet;
    const at = person["ab"[side]];
    const [x, y] = [(at % columns) * tile[0], Math.floor(at / columns) * tile[1]];
    element.getContext("2d").drawImage(image, x, y, tile[0], tile[1], 0, 0, element.width, element.height);
  }

  /** Shows both runs at the same share of their recorded frames. */
  go(share) {
    if (!this.data) return;
    this.share = Math.min(1, Math.max(0, share));
    this.scrub.value = Math.round(STEPS * this.share);
    this.at = this.data.sides.map(({frames}) => frameAt(frames.length, this.share));
    const told = this.data.sides.map(({steps}, i) => `${LETTERS[i]} step ${steps[this.at[i]] ?? "–"}`);
    say(this.where, `${Math.round(100 * this.share)} % · ${told.join(", ")}`);
    this.look();
  }

  async fetchSheets() {
    if (!this.data) return;
    const {sides} = this.data;
    const addresses = sides.map(({run, frames}, i) => `/wb/runs/${run}/frames/${frames[this.at[i]]}.jpg`);
    const sheets = await Promise.all(addresses.map((a, i) => (a === this.addresses[i] ? this.sheets[i] : picture(a))));
    if (sides !== this.data?.sides) return;
    Object.assign(this, {sheets, addresses});
    for (const {made, person} of this.cards)
      made.forEach((element, i) => {
        this.cut(sheets[i], i, element, person);
        const sure = sides[i].sure[sides[i].frames[this.at[i]]]?.[person["ab"[i]]];
        const much = sure == null ? "" : `, its target ${sure} percent sure`;
        describe(element, `${LETTERS[i]}'s reconstruction of ${person.label}${much}`);
      });
    this.root.dataset.shown = this.at.map((k, i) => sides[i].frames[k]).join(" ");
  }

  setMode(mode) {
    this.mode = mode;
    this.root.dataset.mode = mode;
    for (const choice of this.modes.children) choice.setAttribute("aria-pressed", choice.dataset.mode === mode);
    this.wiping.hidden = mode !== "wipe";
    clearInterval(this.blinking);
    this.root.classList.remove("wb-blink-b");
    // Where less motion is asked for, A and B take turns only when the button is pressed again.
    if (mode === "blink" && !still()) this.blinking = setInterval(() => this.blink(), BLINK_MS);
    else if (mode === "blink") this.blink();
    this.wipe();
  }

  blink() {
    if (visible(this.root)) this.root.classList.toggle("wb-blink-b");
  }

  wipe() {
    this.faces.style.setProperty("--wipe", `${this.wiper.value}%`);
  }

  halt() {
    clearInterval(this.timer);
    this.timer = null;
    say(this.playing, "Play");
  }

  play() {
    if (this.timer) {
      this.halt();
      return;
    }
    say(this.playing, "Halt");
    const longest = Math.max(...this.data.sides.map(({frames}) => frames.length), 2);
    if (this.share >= 1) this.go(0);
    this.timer = setInterval(() => {
      this.go(this.share + 1 / (longest - 1));
      if (this.share >= 1 || !visible(this.root)) this.halt();
    }, PLAY_MS);
  }

  key(event) {
    if (
      !this.data ||
      event.target.matches("select, input:not([type=range])") ||
      event.ctrlKey ||
      event.altKey ||
      event.metaKey
    )
      return;
    const one = 1 / Math.max(1, ...this.data.sides.map(({frames}) => frames.length - 1));
    const onRange = event.target.matches("input[type=range]");
    const acts = {
      1: () => this.setMode("side"),
      2: () => this.setMode("wipe"),
      3: () => this.setMode("blink"),
      x: () => this.swap(),
      ...(onRange ? {} : {ArrowLeft: () => this.go(this.share - one), ArrowRight: () => this.go(this.share + one)}),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** The comparison of two runs; it asks the server itself and needs no value. */
export function pair(element) {
  new Pair($(element, ".wb-versus")).offer();
}
