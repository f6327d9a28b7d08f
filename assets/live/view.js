// The live view: true faces beside reconstructions, latent paths, curves, scrubber.
// A message's texts only grow: each is read from where reading ended, and plots are only ever extended.

import {counters} from "../counters.js";
import {GrowingText} from "../csv.js";
import {$, say, session, still} from "../dom.js";
import {canDraw3d} from "../plotting.js";
import {setState} from "../state.js";
import {frameLine, lineAt} from "../table.js";
import {Bar} from "./bar.js";
import {Curves} from "./curves.js";
import {Gallery} from "./gallery.js";
import {Latent} from "./latent.js";
import {Player} from "./player.js";
import {Surroundings} from "./surroundings.js";
import {ended} from "./words.js";
import {Zoom} from "./zoom.js";

const PLOT_MS = 250;
const SLOWEST_PLOT_MS = 2000;
const TELL_MS = 250;
const REST = 6; // plots rest so many times as long as they take, so that faces keep coming where plots are dear

/** What a view knows of the run that it shows. */
const nothingKnown = () => ({
  run: "",
  scene: null,
  status: null,
  message: null, // the newest
  confidences: [], // {frame, values} in percent
  toldAt: 0,
  texts: {curves: new GrowingText(), path: new GrowingText(), conf: new GrowingText(), marks: new GrowingText()},
});

export class View {
  /** ask: called with what the person asks for, {do, run, …}. */
  constructor(root, ask) {
    this.root = root;
    this.ask = ask;
    this.now = nothingKnown();
    this.bar = new Bar(root, what => this.command(what));
    this.zoom = new Zoom(root);
    this.gallery = new Gallery(root, i => this.zoom.open(this.gallery, i));
    this.curves = new Curves($(root, ".wb-curves .wb-plot"));
    this.latent = new Latent($(root, ".wb-latent .wb-plot"));
    this.player = new Player(root, frame => this.look(frame));
    this.surroundings = new Surroundings(root, this.latent);
    this.listen();
  }

  listen() {
    const {root} = this;
    $(root, "[data-act=fork]").addEventListener("click", () => this.command({do: "fork", frame: this.player.shown}));
    for (const choice of root.querySelectorAll("[data-axis]"))
      choice.addEventListener("click", () => {
        session("wb-axis", choice.dataset.axis);
        this.chooseAxis();
      });
    const dims = $(root, "[data-act=dims]");
    dims.addEventListener("click", () => this.turnDimensions(dims));
    if (!canDraw3d()) {
      dims.disabled = true;
      dims.title = "3-D needs WebGL, which this browser does not offer";
    }
    new ResizeObserver(() => this.fit()).observe(root);
    const restyle = () => [this.curves, this.latent].forEach(plot => plot.restyle());
    new MutationObserver(restyle).observe(document.body, {attributes: true, attributeFilter: ["class"]});
  }

  command(what) {
    this.ask({...what, run: this.now.run});
  }

  /** Takes a message; of those that come before the next drawing only the newest is drawn. */
  show(message) {
    this.next = message;
    this.due ||= requestAnimationFrame(() => {
      this.due = 0;
      this.draw(this.next);
    });
  }

  reset(run) {
    const before = this.now.run;
    clearTimeout(this.later);
    this.now = {...nothingKnown(), run};
    [this.bar, this.gallery, this.zoom, this.curves].forEach(part => part.reset());
    [this.player, this.surroundings].forEach(part => part.reset(run));
    this.latent.reset([], "");
    this.setAddress(run, before);
    this.drawPlots(true); // what the run before drew goes
    // Its settings are asked for here: what listens to the run's change itself would wait until the run has ended.
    if (run) this.command({do: "opened"});
  }

  setAddress(run, before) {
    const url = new URL(location.href);
    if (run) url.searchParams.set("run", run);
    else if (before) url.searchParams.delete("run"); // the first message is empty, and the link not yet read
    history.replaceState(null, "", url);
  }

  draw(message) {
    if (!message) return;
    if (message.run !== this.now.run) this.reset(message.run);
    this.now.message = message;
    this.root.dataset.run = message.run || "";
    if (!message.run) {
      this.bar.empty(message.problem || "");
      setState("none", null);
    } else if (message.pending || !message.scene) this.root.dataset.state = "queued";
    else this.drawRun(message);
  }

  drawRun(message) {
    counters.drawn++;
    this.now.scene = message.scene;
    if (!this.gallery.filled && message.scene.candidates) this.build(message.scene);
    if (!this.gallery.truth && message.scene.truth && this.gallery.filled) this.showTruth(message.scene);
    this.read(message);
    this.player.grow(message.frame);
    if (this.player.held == null && message.sheet) this.load(message.sheet, message.frame);
    // Faces come with every message; words and bars four times a second, which is what an eye can read.
    clearTimeout(this.later);
    const changed = message.status.state !== this.now.status?.state;
    const wait = changed ? 0 : TELL_MS - (performance.now() - this.now.toldAt);
    if (wait <= 0) this.tell(message.status);
    else this.later = setTimeout(() => this.tell(message.status), wait);
    this.drawPlots(ended(message.status.state));
  }

  build(scene) {
    this.gallery.build(scene);
    this.latent.reset(scene.candidates, scene.cloud);
    this.surroundings.build(scene);
    const space = scene.space === "pixels" ? "Image space" : `Latent space ${scene.space || ""}`;
    say($(this.root, "[data-cap=latent]"), space);
    this.root.classList.toggle("wb-no-truth", !scene.truth);
    this.fit();
    this.curves.sure = !scene.black_box;
    this.chooseAxis();
  }

  showTruth(scene) {
    this.gallery.scene = scene;
    this.gallery.loadTruth(this.now.run);
    this.root.classList.remove("wb-no-truth");
    this.fit();
  }

  /** Takes what is new in a message's texts. */
  read(message) {
    const {texts, confidences} = this.now;
    texts.curves.take(message.curves, line => this.curves.add(line));
    texts.path.take(message.path, line => this.latent.add(frameLine(line)));
    texts.conf.take(message.conf, line => confidences.push(frameLine(line)));
    const marks = texts.marks.take(message.marks, line => {
      const event = JSON.parse(line);
      if (event.kind === "knob") this.curves.marks.push(event);
    });
    if (marks) this.curves.redrawLines();
    this.hint();
  }

  tell(status) {
    const {scene} = this.now;
    const changed = status.state !== this.now.status?.state;
    Object.assign(this.now, {status, toldAt: performance.now()});
    if (this.player.held == null) {
      if (this.now.message.frame != null) this.surroundings.look(this.player.newest, ended(status.state));
      this.player.follow();
      this.label();
      this.meters();
    }
    this.bar.show(status, scene, this.gallery.cards.length);
    this.root.classList.toggle("wb-void", ended(status.state) && this.now.message.frame == null);
    if (status.nearest) this.zoom.loadNearest(this.now.run);
    if (changed) setState(status.state, scene.attack);
  }

  // -- what stands where --

  /** Against what the curves stand: an attack that can only ask is told by its queries, unless steps are wanted. */
  chooseAxis() {
    const asks = Boolean(this.now.scene?.black_box);
    const axis = asks ? session("wb-axis") || "queries" : "step";
    $(this.root, ".wb-axis").hidden = !asks;
    for (const choice of this.root.querySelectorAll("[data-axis]"))
      choice.setAttribute("aria-pressed", choice.dataset.axis === axis);
    this.curves.turn(axis);
    this.label();
    this.hint();
    this.curves.draw();
    this.drawPlots();
  }

  /** Says what lines in the curves mean, where there are such. */
  hint() {
    const {marks, axis, quiet, table} = this.curves;
    const hints = [];
    if (marks.length) hints.push("dashed: a knob was turned");
    if (axis === "queries" && 3 * quiet > table.rows.length) hints.push("upright: steps that ask nothing");
    const caption = $(this.root, "[data-cap=curves]");
    caption.hidden = !hints.length;
    say(caption, hints.join(", "));
  }

  fit() {
    this.gallery.fit();
    [this.curves, this.latent].forEach(plot => plot.resize());
    if (this.gallery.filled) this.drawPlots();
  }

  async turnDimensions(button) {
    const three = !this.latent.three;
    button.setAttribute("aria-pressed", three);
    button.textContent = three ? "2-D" : "3-D";
    await this.latent.turn(three);
  }

  /** Draws the plots soon; at once where it is the last time, or where something must go. */
  drawPlots(atOnce = false) {
    if (this.timer && !atOnce) return;
    clearTimeout(this.timer);
    const rest = Math.max(PLOT_MS, Math.min(SLOWEST_PLOT_MS, this.rest || 0));
    const wait = still() ? 1000 : rest;
    this.timer = setTimeout(() => this.plot(), atOnce ? 0 : wait);
  }

  async plot() {
    const begun = performance.now();
    await Promise.all([this.curves.draw(), this.latent.draw()]);
    this.rest = REST * (performance.now() - begun);
    this.timer = 0;
    if (this.curves.pending || this.latent.pending) this.drawPlots();
  }

  // -- frames --

  label() {
    const {shown} = this.player;
    this.player.label(shown == null ? null : this.curves.rowOf(shown), this.curves.axis);
  }

  meters() {
    const {held} = this.player;
    const line = lineAt(this.now.confidences, held);
    this.gallery.meters(line?.values, held == null ? null : this.curves.stepOf(held));
  }

  load(address, frame) {
    this.gallery.load(address, () => {
      this.root.dataset.frame = frame;
      this.zoom.refresh(this.gallery);
    });
  }

  /** Shows a recorded frame in faces, plots and figures; null follows the newest again. */
  look(frame) {
    if (!this.now.scene) return;
    if (frame == null) {
      this.player.halt();
      this.player.follow();
      this.mark(null);
      this.gallery.forget();
      this.draw(this.now.message);
      return;
    }
    const held = this.player.hold(frame);
    this.mark(held);
    this.surroundings.look(held, true);
    this.label();
    this.meters();
    this.load(`/wb/runs/${this.now.run}/frames/${held}.webp`, held);
  }

  mark(frame) {
    this.curves.cursor = frame;
    this.curves.redrawLines();
    this.latent.hold(frame);
  }
}
