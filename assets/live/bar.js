// The bar above the faces: buttons, progress, figures, and the line that says what goes on.

import {$, say, sayBold} from "../dom.js";
import {NOTHING, capitalise, count, rate, span} from "../format.js";
import {
  active,
  awaitsTarget,
  done,
  ended,
  judges,
  judging,
  later,
  notice,
  pageTitle,
  statusLine,
  verdict,
} from "./words.js";

const SAY_MS = 2000; // a line that changes more often is no use to who has it read out
const COUNT_MS = 1000;
const STARTING = {state: "queued", step: null, total: 0};

export class Bar {
  /** ask: called with what the person asks for, {do: "pause" | "resume" | "step" | "stop"}. */
  constructor(root, ask) {
    this.root = root;
    this.progress = $(root, ".wb-progress");
    this.line = $(root, ".wb-status");
    this.pause = $(root, "#wb-pause");
    this.step = $(root, "#wb-step");
    this.stop = $(root, "#wb-stop");
    this.fork = $(root, "[data-act=fork]");
    this.pause.addEventListener("click", () => ask({do: this.state === "paused" ? "resume" : "pause"}));
    this.step.addEventListener("click", () => ask({do: "step"}));
    this.stop.addEventListener("click", () => ask({do: "stop"}));
    setInterval(() => this.countDown(), COUNT_MS);
    this.reset();
  }

  reset() {
    this.state = null;
    this.saidAt = 0;
    this.told = null; // {status, scene, at}: what was said last, and when
    say($(this.root, ".wb-verdict"), "");
    this.notice("", false);
    this.doing("");
  }

  figure(name, text) {
    say($(this.root, `[data-fig=${name}]`), text);
  }

  notice(text, waits) {
    const box = $(this.root, ".wb-notice");
    box.hidden = !text;
    say(box, text);
    this.root.classList.toggle("wb-waits", waits);
  }

  /** Says what the attack is doing, in its own words. */
  doing(note) {
    say($(this.root, ".wb-doing"), capitalise(note));
  }

  /** Says that a run was asked for, of which nothing is known yet. */
  starting() {
    this.root.dataset.state = "queued";
    this.figures(STARTING);
    this.buttons(STARTING, false);
    this.stop.disabled = true; // there is nothing yet that could be stopped
    say(this.line, "Starting");
    document.title = pageTitle(null);
  }

  /** Lets times that were told run on, until the next are told. */
  countDown() {
    if (!this.told || document.hidden) return;
    const {status, scene, at} = this.told;
    const now = later(status, (performance.now() - at) / 1000);
    if (status.state === "queued") say(this.line, statusLine(now, scene));
    else if (status.state === "running") this.left(now);
  }

  /** Says that no run is shown; `problem` is why. */
  empty(problem) {
    this.root.dataset.state = "none";
    document.title = pageTitle(null);
    say(this.line, "");
    say($(this.root, ".wb-empty"), problem);
  }

  show(status, scene, candidates) {
    const waits = awaitsTarget(status);
    this.root.dataset.state = status.state;
    this.told = {status, scene, at: performance.now()};
    this.figures(status);
    this.buttons(status, waits);
    this.notice(notice(status), waits);
    this.doing(ended(status.state) ? "" : status.note || "");
    if (status.state !== this.state || Date.now() - this.saidAt > SAY_MS) {
      say(this.line, statusLine(status, scene));
      this.saidAt = Date.now();
    }
    const title = pageTitle(status, scene);
    if (document.title !== title) document.title = title;
    if (ended(status.state) && status.metrics) {
      sayBold($(this.root, ".wb-verdict"), verdict(status, candidates));
      $(this.root, ".wb-verdict").title = judges(status);
    }
    this.state = status.state;
  }

  figures(status) {
    this.figure("step", status.total ? `${count(status.step)} / ${count(status.total)}` : NOTHING);
    this.figure("rate", rate(status.rate));
    this.left(status);
    this.figure("queries", count(status.queries));
    const share = done(status);
    this.progress.firstElementChild.style.transform = `scaleX(${share / 100})`;
    this.progress.setAttribute("aria-valuenow", Math.round(share));
  }

  left(status) {
    this.figure("left", status.state === "running" && !judging(status) ? span(status.left) : NOTHING);
  }

  buttons(status, waits) {
    const goes = active(status.state) && !judging(status);
    this.pause.textContent = status.state === "paused" ? "Resume" : "Pause";
    const watching = status.mine === false; // it belongs to somebody else
    this.pause.disabled = watching || !goes;
    this.step.disabled = watching || status.state !== "paused" || waits;
    this.stop.disabled = watching || (!goes && status.state !== "queued");
    this.fork.disabled = watching;
    $(this.root, ".wb-transport").title = watching ? "This run belongs to somebody else; you can watch it." : "";
  }
}
