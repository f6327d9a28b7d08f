// The record of a run as the page gets it: texts that only grow, piece by piece.

/** One growing text, a whole line at a time. */
export class GrowingText {
  constructor() {
    this.rest = ""; // of a line whose end has not come yet
  }

  /** Calls `each` with the lines that a piece completes; returns how many there were. */
  take(piece, each) {
    const lines = (this.rest + (piece ?? "")).split("\n");
    this.rest = lines.pop();
    lines.forEach(each);
    return lines.length;
  }
}
