// A table of numbers with a header, filled line by line and read by column name.

const number = cell => (cell === "" ? null : Number(cell));

export class Table {
  constructor() {
    this.columns = null;
    this.rows = [];
  }

  /** Adds a line of CSV: the header first, then rows; an empty cell is null. Returns the row, or null for the header. */
  add(line) {
    const cells = line.split(",");
    if (!this.columns) {
      this.columns = cells;
      return null;
    }
    const row = Object.fromEntries(this.columns.map((name, i) => [name, number(cells[i] ?? "")]));
    this.rows.push(row);
    return row;
  }

  get last() {
    return this.rows[this.rows.length - 1] ?? null;
  }

  /** The column `name` of all rows. */
  column(name, rows = this.rows) {
    return rows.map(row => row[name]);
  }

  /** The newest row whose `name` isn't above `most`; rows come in the order of that column. */
  upTo(name, most) {
    let found = null;
    for (const row of this.rows) {
      if (row[name] > most) break;
      found = row;
    }
    return found;
  }
}

/** Reads a line without header, as of paths and confidences: the frame's number, then one value after the other. */
export function frameLine(line) {
  const [frame, ...values] = line.split(",").map(number);
  return {frame, values};
}

/** The newest of `lines` that isn't after `frame`; the last of all where `frame` is null. */
export function lineAt(lines, frame) {
  let found = null;
  for (const line of lines) {
    if (frame != null && line.frame > frame) break;
    found = line;
  }
  return found;
}
