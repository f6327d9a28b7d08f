// What the latent plot shows around the candidates on demand: what was tried there, and the target's landscape.

import {$, say} from "../dom.js";
import {namesOf} from "./gallery.js";

const LOOK_MS = 1000;
const MOST_MISSES = 6; // answers without a cloud, after which the run is taken to have none

export class Surroundings {
  constructor(root, latent) {
    this.latent = latent;
    this.choice = $(root, "[data-act=landscape]");
    this.caption = $(root, "[data-cap=landscape]");
    this.choice.addEventListener("change", () => this.chart(this.choice.value));
    this.reset(null);
  }

  reset(run) {
    this.charting?.abort();
    Object.assign(this, {run, frame: null, lookedAt: 0, misses: 0, seen: false, none: false, charting: null});
    say(this.caption, "");
  }

  build(scene) {
    const names = namesOf(scene.candidates);
    this.choice.replaceChildren(new Option("off", ""), ...names.map((name, i) => new Option(name, i)));
    this.choice.disabled = scene.space === "pixels";
  }

  /** Asks what was tried; at most once a second unless it `must`, and not again where a run has none. */
  async look(frame, must) {
    this.frame = frame;
    if (this.none || frame == null || (!must && performance.now() - this.lookedAt < LOOK_MS)) return;
    this.lookedAt = performance.now();
    const {run} = this;
    const answer = await fetch(`/wb/runs/${run}/clouds/${frame}.json`).catch(() => null);
    if (run !== this.run || !answer) return;
    if (answer.status === 200) {
      this.seen = true;
      this.latent.showTried(await answer.json());
    } else if (answer.status === 204 && !this.seen) this.none = ++this.misses > MOST_MISSES;
  }

  /** Draws the landscape of a candidate, point by point as it is asked; "" takes it away. */
  async chart(candidate) {
    this.charting?.abort();
    say(this.caption, "");
    if (candidate === "") {
      this.latent.showLandscape(null);
      return;
    }
    const stop = new AbortController();
    this.charting = stop;
    const at = this.frame == null ? "" : `?frame=${this.frame}`;
    try {
      const answer = await fetch(`/wb/runs/${this.run}/landscape/${candidate}.jsonl${at}`, {signal: stop.signal});
      if (answer.ok) await this.read(answer);
      else say(this.caption, (await answer.json()).error || "not possible");
    } catch (error) {
      if (error.name !== "AbortError") say(this.caption, "The landscape could not be fetched.");
    }
  }

  async read(answer) {
    const {run} = this;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const {value, done} = await reader.read();
      if (done || run !== this.run) return;
      const lines = (text + value).split("\n");
      text = lines.pop();
      if (!lines.length) continue;
      const found = JSON.parse(lines[lines.length - 1]);
      if (found.problem) {
        say(this.caption, found.problem);
        return;
      }
      this.latent.showLandscape(found);
      say(
        this.caption,
        found.asked < found.total ? `${found.asked} of ${found.total} points` : "the target's confidence",
      );
    }
  }
}
