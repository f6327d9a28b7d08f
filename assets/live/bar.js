// The bar above the faces: buttons, progress, figures, and the line that says what goes on.

import {$, say} from "../dom.js";
import {NOTHING, count, rate, span} from "../format.js";
import {active, awaitsTarget, done, ended, judging, notice, pageTitle, statusLine, verdict} from "./words.js";

const SAY_MS = 2000; // a line that changes more often is no use to who has it read out

export class Bar {
  /** ask: called with what the person asks for, {do: "pause" | "resume" | "step" | "stop"}. */
  constructor(root, ask) {
    this.root = root;
    this.progress = $(root, ".wb-progress");
    this.line = $(root, ".wb-status");
    this.pause = $(root, "#wb-pause");
    this.step = $(root, "#wb-step");
    this.stop = $(root, "#wb-stop");
    this.pause.addEventListener("click", () => ask({do: this.state === "paused" ? "resume" : "pause"}));
    this.step.addEventListener("click", () => ask({do: "step"}));
    this.stop.addEventListener("click", () => ask({do: "stop"}));
    this.reset();
  }

  reset() {
    this.state = null;
    this.saidAt = 0;
    say($(this.root, ".wb-verdict"), "");
    this.note("", false);
  }

  figure(name, text) {
    say($(this.root, `[data-fig=${name}]`), text);
  }

  note(text, waits) {
    const notice_ = $(this.root, ".wb-notice");
    notice_.hidden = !text;
    say(notice_, text);
    this.root.classList.toggle("wb-waits", waits);
  }

  /** Says that no run is shown; `problem` is why. */
  empty(problem) {
    this.root.dataset.state = "none";
    document.title = pageTitle(null);
    say(this.line, problem);
  }

  show(status, scene, candidates) {
    const waits = awaitsTarget(status);
    this.root.dataset.state = status.state;
    this.figures(status);
    this.buttons(status, waits);
    this.note(notice(status), waits);
    if (status.state !== this.state || Date.now() - this.saidAt > SAY_MS) {
      say(this.line, statusLine(status, scene));
      this.saidAt = Date.now();
    }
    const title = pageTitle(status, scene);
    if (document.title !== title) document.title = title;
    if (ended(status.state) && status.metrics) say($(this.root, ".wb-verdict"), verdict(status, candidates));
    this.state = status.state;
  }

  figures(status) {
    this.figure("step", status.total ? `${count(status.step)} / ${count(status.total)}` : NOTHING);
    this.figure("rate", rate(status.rate));
    this.figure("left", status.state === "running" && !judging(status) ? span(status.left) : NOTHING);
    this.figure("queries", count(status.queries));
    const share = done(status);
    this.progress.firstElementChild.style.transform = `scaleX(${share / 100})`;
    this.progress.setAttribute("aria-valuenow", Math.round(share));
  }

  buttons(status, waits) {
    const goes = active(status.state);
    this.pause.textContent = status.state === "paused" ? "Resume" : "Pause";
    this.pause.disabled = !goes;
    this.step.disabled = status.state !== "paused" || waits;
    this.stop.disabled = !goes && status.state !== "queued";
  }
}
