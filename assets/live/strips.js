// Which curves are drawn where: a run's columns, three strips one above the other. Pure; draws nothing.

const KNOWN = ["frame", "step", "seconds", "queries", "confidence"];
const DASHES = ["solid", "dash", "dot"];
const STRIP_COLOURS = [1, 0, 2]; // of the palette, from the top strip down

/** What a curve stands against: its column, and how numbers on it are written. */
export const AXES = {
  step: {other: "queries", format: ""},
  queries: {other: "step", format: "~s"},
};

/** The columns that the attack itself names; what is there beside them is the same for all attacks. */
export const losses = columns => columns.filter(name => !KNOWN.includes(name));

/**
 * The three strips as {title, columns, range?}.
 *
 * columns: names in the record; sure: whether a confidence was seen (an attack that is shown labels alone knows
 * none); axis: "step" or "queries".
 */
export function strips(columns, sure, axis) {
  const [first, ...rest] = losses(columns);
  const top = {title: first ?? "loss", columns: first ? [first] : []};
  let middle = {title: "confidence", columns: ["confidence"], range: [-0.03, 1.03]};
  if (!sure && rest.length > 1) {
    const name = rest.shift();
    middle = {title: name, columns: [name]};
  }
  const other = AXES[axis].other;
  const bottom = rest.length ? {title: rest.join(", "), columns: rest} : {title: other, columns: [other]};
  return [top, middle, bottom];
}

/** The lines of all strips as {column, strip, dash, colour}, in the order in which they are drawn. */
export function lines(shown) {
  return shown.flatMap((strip, i) =>
    strip.columns.map((column, k) => ({
      column,
      strip: i,
      dash: DASHES[k % DASHES.length],
      colour: STRIP_COLOURS[i],
    })),
  );
}

/** Whether the rows' `column` may stand on a log axis: there is enough of it, and none of it is zero or below. */
export function fitsLog(rows, column) {
  return rows.length > 2 && staysAbove(rows, column);
}

export const staysAbove = (rows, column) => rows.every(row => row[column] > 0);

/** How the numbers beside a strip are written. */
export function tickFormat(title) {
  if (title === "confidence") return ".0%";
  return title in AXES ? "~s" : ".3~g";
}
