// The live view: true faces beside reconstructions, latent paths, curves, scrubber.
// Messages bring what is new, which is read at once and drawn when there is time; plots are only ever extended.

import {pin} from "../compare/pins.js";
import {counters} from "../counters.js";
import {$, say, session} from "../dom.js";
import {GrowingText} from "../lines.js";
import {canDraw3d} from "../plotting.js";
import {tell} from "../page/toasts.js";
import {page, setState} from "../state.js";
import {frameLine, lineAt} from "../table.js";
import {Bar} from "./bar.js";
import {command} from "./commands.js";
import {ExampleShow} from "./example.js";
import {Follower} from "./follower.js";
import {Gallery} from "./gallery.js";
import {Player} from "./player.js";
import {Plots} from "./plots.js";
import {Surroundings} from "./surroundings.js";
import {ended} from "./words.js";
import {Zoom} from "./zoom.js";

const TELL_MS = 250;

/** What a view knows of the run that it shows. */
const nothingKnown = () => ({
  run: "",
  scene: null,
  status: null,
  message: null, // the newest
  news: false, // whether it is still to be drawn
  placed: false, // whether the latent space is known
  confidences: [], // {frame, values} in percent
  early: [], // path lines that came before the space that they go through
  toldAt: 0,
  texts: {curves: new GrowingText(), path: new GrowingText(), conf: new GrowingText(), marks: new GrowingText()},
});

export class View {
  /**
   * fork: called with {run, frame} from which another run is to start; opened: called with a run that is shown and
   * was not started here, whose settings are wanted; ended: called when the run that is shown has ended.
   */
  constructor(root, {fork, opened, ended: over}) {
    Object.assign(this, {root, opened, over});
    this.fork = () => fork({run: this.now.run, frame: this.player.shown});
    this.now = nothingKnown();
    this.awaited = null; // {before}: a run was asked for here and has not begun; before is the one that was shown
    this.problem = ""; // why no run is shown, where something went wrong
    this.follower = new Follower({take: message => this.take(message), gone: (run, why) => this.lose(run, why)});
    this.bar = new Bar(root, what => command(this.now.run, what));
    this.zoom = new Zoom(root);
    this.gallery = new Gallery(root, i => this.zoom.open(this.gallery, i));
    this.plots = new Plots(root);
    ({curves: this.curves, latent: this.latent} = this.plots);
    this.player = new Player(root, frame => this.look(frame));
    this.surroundings = new Surroundings(root, this.latent);
    this.example = new ExampleShow(this, () => !this.now.run && !this.awaited && !this.problem);
    this.listen();
  }

  listen() {
    const {root} = this;
    $(root, "[data-act=fork]").addEventListener("click", () => this.fork());
    $(root, "[data-act=pin]").addEventListener("click", () => pin(this.now.run));
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
    document.addEventListener("visibilitychange", () => this.lookAgain());
  }

  /** Asks at once what is new: of a run that has ended, nobody else does. */
  lookAgain() {
    this.follower.wake();
  }

  // -- which run is shown --

  /** Clears the stage for a run that was just asked for; it is shown once `show` says which it is. */
  expect() {
    if (!this.awaited) this.awaited = {before: this.now.run};
    this.reset("");
    this.follower.follow("");
    this.root.dataset.run = "";
    this.bar.starting();
    setState("queued", null);
    this.root.focus({preventScroll: true});
  }

  /** Shows again what was shown, for the run that was asked for won't begin. */
  giveUp() {
    if (!this.awaited) return;
    const {before} = this.awaited;
    this.awaited = null;
    this.follow(before);
  }

  /** Shows a run from now on; "" shows none. */
  show(run) {
    const started = this.awaited !== null;
    if (run === this.now.run && !started) return;
    if (!started) page.preset = null;
    this.awaited = null;
    this.follow(run);
    if (run && !started) this.opened(run);
  }

  follow(run) {
    const before = this.now.run;
    this.reset(run);
    this.setAddress(run, before);
    this.root.dataset.run = run;
    $(this.root, "[data-act=report]").href = `/wb/runs/${run}/report.html`;
    if (run) {
      this.problem = "";
      this.bar.starting();
      setState("queued", null);
    } else this.empty("");
    this.follower.follow(run);
  }

  /** Puts a card's recorded example in the place of whatever is shown; a run that goes on goes on. */
  exhibit(card) {
    if (this.now.run || this.awaited || this.problem) {
      this.awaited = null;
      this.follow("");
    }
    this.example.want(card);
  }

  lose(run, why) {
    this.reset("");
    this.setAddress("", run);
    this.root.dataset.run = "";
    this.empty(why);
    tell("Not found", why);
  }

  /** Shows that there is no run, and why; where nothing went wrong, what the first card's run looks like. */
  empty(problem) {
    this.problem = problem;
    this.bar.empty(problem);
    setState("none", null);
    if (!problem) this.example.wantFirst();
  }

  reset(run) {
    this.example.end();
    this.clear(run);
  }

  clear(run) {
    clearTimeout(this.later);
    this.now = {...nothingKnown(), run};
    [this.bar, this.gallery, this.zoom, this.curves].forEach(part => part.reset());
    [this.player, this.surroundings].forEach(part => part.reset(run));
    this.player.label(null, this.curves.axis);
    this.latent.reset([], "");
    this.root.classList.remove("wb-void");
    say($(this.root, "[data-cap=latent]"), "Latent space");
    this.hint();
    this.plots.draw(true); // what the run before drew goes
  }

  setAddress(run, before) {
    const url = new URL(location.href);
    if (run) url.searchParams.set("run", run);
    else if (before) url.searchParams.delete("run");
    history.replaceState(null, "", url);
  }

  // -- what is new of it --

  /** Reads a message at once, for each has only what those before had not; draws it when there is time. */
  take(message) {
    const {now} = this;
    now.scene = message.scene ?? now.scene;
    now.message = message;
    now.news = true;
    if (message.scene) this.place(now.scene);
    this.read(message);
    this.player.grow(message.frame);
    if (document.hidden) this.draw();
    else
      this.due ||= requestAnimationFrame(() => {
        this.due = 0;
        this.draw();
      });
  }

  /** Lays out what stays the same throughout a run: the candidates while it waits, their space once it has begun. */
  place(scene) {
    const {gallery, now} = this;
    if (!scene.candidates) return;
    gallery.scene = scene;
    if (!gallery.filled) gallery.build(scene);
    if (scene.space && !now.placed) this.placeInSpace(scene);
    if (scene.truth && !gallery.truth) gallery.loadTruth(`/wb/runs/${now.run}/truth.webp`);
    this.root.classList.toggle("wb-no-truth", !scene.pairs);
    this.fit();
  }

  placeInSpace(scene) {
    this.now.placed = true;
    this.latent.reset(scene.candidates, scene.cloud);
    this.now.early.splice(0).forEach(line => this.latent.add(line));
    this.surroundings.build(scene);
    say($(this.root, "[data-cap=latent]"), scene.space === "pixels" ? "Image space" : `Latent space ${scene.space}`);
    this.curves.sure = !scene.black_box;
    this.chooseAxis();
  }

  draw() {
    const {message, news} = this.now;
    if (!message || !news) return;
    this.now.news = false;
    this.drawRun(message);
  }

  drawRun(message) {
    counters.drawn++;
    if (this.player.held == null && message.sheet) this.load(message.sheet, message.frame);
    // Faces come with every message; words and bars four times a second, which is what an eye can read.
    clearTimeout(this.later);
    const changed = message.status.state !== this.now.status?.state;
    const wait = changed ? 0 : TELL_MS - (performance.now() - this.now.toldAt);
    if (wait <= 0) this.tell(message.status);
    else this.later = setTimeout(() => this.tell(message.status), wait);
    this.plots.draw(ended(message.status.state));
  }

  /** Takes what is new in a message's texts. */
  read(message) {
    const {texts, confidences, early} = this.now;
    texts.curves.take(message.curves, line => this.curves.add(line));
    const path = line => (this.now.placed ? this.latent.add(line) : early.push(line));
    texts.path.take(message.path, line => path(frameLine(line)));
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
    if (!changed) return;
    setState(status.state, scene.attack);
    if (ended(status.state)) this.over(this.now.run);
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
    this.plots.draw();
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
    if (this.gallery.filled) this.plots.resize();
  }

  async turnDimensions(button) {
    const three = !this.latent.three;
    button.setAttribute("aria-pressed", three);
    button.textContent = three ? "2-D" : "3-D";
    await this.latent.turn(three);
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
    if (this.player.newest == null) return;
    if (this.example.shown) {
      this.example.look(frame);
      return;
    }
    if (frame == null) {
      this.player.halt();
      this.player.follow();
      this.plots.hold(null);
      this.gallery.forget();
      this.drawRun(this.now.message);
      return;
    }
    const held = this.player.hold(frame);
    this.plots.hold(held);
    this.surroundings.look(held, true);
    this.label();
    this.meters();
    this.load(`/wb/runs/${this.now.run}/frames/${held}.jpg`, held);
  }
}
