// What can be done about a queue: start at once in place of what is running, or take one's own runs out of it.

import {$, button} from "../dom.js";
import {onQueue, page} from "../state.js";

/** Which of the two there is to press. What somebody else runs is stopped by them or by a presenter. Pure. */
export function offers({running, queued, mine}) {
  return {instead: Boolean(running && mine), clear: queued.length > 0};
}

class Queue {
  constructor(box, trigger) {
    this.box = box;
    this.instead = button("Stop the running one and start mine", () => trigger("submit"), "wb-plain");
    this.instead.dataset.testid = "instead";
    this.clear = button("Clear my queue", () => trigger("select", {do: "clear"}), "wb-plain");
    this.clear.dataset.testid = "clear-queue";
    box.append(this.instead, this.clear);
  }

  /** now: {running, queued, mine}, as the server says it. */
  draw(now) {
    const {instead, clear} = offers(now);
    this.instead.hidden = !instead;
    this.clear.hidden = !clear;
    this.box.hidden = !instead && !clear;
  }
}

/** value: nothing; what runs and waits is the whole server's and comes with its news. */
export function queue(element, props, trigger) {
  const part = new Queue($(element, ".wb-queue"), trigger);
  part.draw(page.queue);
  onQueue(now => part.draw(now));
}
