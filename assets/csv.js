// The record of a run as the page gets it: texts that only grow.

/** One growing text, a whole line at a time; each is read from where reading ended. */
export class GrowingText {
  constructor() {
    this.at = 0;
  }

  /** Calls `each` with the lines that are new in `text`, the whole text so far; returns how many there were. */
  take(text, each) {
    if (!text || text.length <= this.at) return 0;
    const end = text.lastIndexOf("\n") + 1;
    if (end <= this.at) return 0;
    const lines = text.slice(this.at, end - 1).split("\n");
    this.at = end;
    lines.forEach(each);
    return lines.length;
  }
}
