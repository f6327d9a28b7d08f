// Where candidates have been in latent space, as lines that a plot can draw. Pure; draws nothing.

const same = (a, b, at) => a[at] === b[at] && a[at + 1] === b[at + 1] && a[at + 2] === b[at + 2];

/** The lines between frames, gathered by colour. */
export class Paths {
  /** colours: of each candidate, the index of its colour; kinds: how many colours there are. */
  constructor(colours, kinds) {
    this.colours = colours;
    this.kinds = kinds;
    this.rows = [];
    this.stride = 1; // of how many frames one is drawn
    this.rewind();
  }

  /** Forget what was drawn. */
  rewind() {
    this.before = null;
    this.count = 0; // segments drawn
  }

  /** frame: its number; values: x, y, z of one candidate after the other. */
  add({frame, values}) {
    this.rows.push({frame, at: Float32Array.from(values)});
  }

  get last() {
    return this.rows[this.rows.length - 1] ?? null;
  }

  /** Returns for each colour {x, y, z} of the lines of rows from `from` on, with a gap after each line. */
  segments(from) {
    const gathered = Array.from({length: this.kinds}, () => ({x: [], y: [], z: []}));
    for (let i = from; i < this.rows.length; i++) {
      if (i && i % this.stride) continue;
      const now = this.rows[i].at;
      if (this.before) this.join(this.before, now, gathered);
      this.before = now;
    }
    return gathered;
  }

  join(before, now, gathered) {
    this.colours.forEach((colour, k) => {
      const at = 3 * k;
      if (same(before, now, at)) return; // it stood still
      ["x", "y", "z"].forEach((name, axis) => gathered[colour][name].push(before[at + axis], now[at + axis], null));
      this.count++;
    });
  }

  /** Draws only each second, fourth, … frame, until at most `most` segments are drawn. */
  thin(most) {
    while ((this.rows.length * this.colours.length) / this.stride > most) this.stride *= 2;
    this.rewind();
  }
}

/** Takes {x, y, z} apart from x, y, z, x, y, z, …; of nothing where there is no row. */
export function places(row) {
  const at = row?.at ?? [];
  const found = {x: [], y: [], z: []};
  for (let i = 0; i < at.length; i += 3) {
    found.x.push(at[i]);
    found.y.push(at[i + 1]);
    found.z.push(at[i + 2]);
  }
  return found;
}
