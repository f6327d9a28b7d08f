// What can be done about a queue: start at once in place of what is running, or take one's own runs out of it.

import {$, button} from "../dom.js";
import {onQueue, page} from "../state.js";

class Queue {
  constructor(box, trigger) {
    this.box = box;
    this.instead = button("Stop the running one and start mine", () => trigger("submit"), "wb-plain");
    this.instead.dataset.testid = "instead";
    this.clear = button("Clear my queue", () => trigger("select", {do: "clear"}), "wb-plain");
    this.clear.dataset.testid = "clear-queue";
    box.append(this.instead, this.clear);
  }

  /** queue: {running, queued}, as the server says it. */
  draw({running, queued}) {
    this.instead.hidden = !running;
    this.clear.hidden = queued.length === 0;
    this.box.hidden = !running && queued.length === 0;
  }
}

/** value: nothing; what runs and waits is the whole server's and comes with its news. */
export function queue(element, props, trigger) {
  const part = new Queue($(element, ".wb-queue"), trigger);
  part.draw(page.queue);
  onQueue(now => part.draw(now));
}
