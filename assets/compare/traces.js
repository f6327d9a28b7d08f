// What the plots of a table show, as Plotly's traces. Pure; draws nothing.

const SYMBOLS = [
  "circle",
  "square",
  "diamond",
  "cross",
  "triangle-up",
  "star",
  "x",
  "pentagon",
  "hexagram",
  "triangle-down",
  "bowtie",
  "hourglass",
];
const KINDS = ["", "-open", "-dot", "-open-dot"]; // of a symbol, for rows beyond the last colour
const DASHES = ["solid", "dot", "dashdot", "longdash"];
const WIDE = 30; // how many times the least the most must be for a log axis

const unique = list => [...new Set(list)];
const nth = (list, i) => list[i % list.length];

/** What tells row i from the others: a colour, and where these are used up another kind of marker. Pure. */
export const rowLook = (i, palette) => ({color: nth(palette, i), kind: nth(KINDS, Math.floor(i / palette.length))});

/** A colour for each row, a symbol for each column; null where no cell has both a leak and a utility. */
export function scatter(points, metric, palette) {
  const known = points.filter(p => p.utility != null);
  const columns = unique(known.map(p => p.column));
  const rows = unique(known.map(p => p.row));
  if (!known.length) return null;
  const dots = rows.map((row, i) => {
    const own = known.filter(p => p.row === row);
    const {color, kind} = rowLook(i, palette);
    const symbol = own.map(p => nth(SYMBOLS, columns.indexOf(p.column)) + kind);
    return {
      type: "scatter",
      mode: "markers",
      name: row,
      x: own.map(p => p.utility),
      y: own.map(p => p.leak),
      text: own.map(p => p.column),
      marker: {size: 12, color, symbol, line: {width: kind ? 2 : 0}},
      hovertemplate: `${row}, %{text}<br>target's accuracy %{x:.3f}, ${metric} %{y:.3g}<extra></extra>`,
    };
  });
  // A symbol for each column is explained by points that are nowhere.
  const key = columns.map((name, i) => ({
    type: "scatter",
    mode: "markers",
    name,
    x: [null],
    y: [null],
    marker: {size: 12, color: "rgba(128, 128, 128, .9)", symbol: nth(SYMBOLS, i)},
  }));
  return columns.length > 1 ? [...dots, ...key] : dots;
}

function line(points, key, name, style) {
  const own = [...points].sort((a, b) => a.x - b.x);
  const [x, y] = [own.map(p => p.x), own.map(p => p[key])];
  return {type: "scatter", mode: "lines+markers", name, x, y, line: {width: 2.5, ...style}};
}

/**
 * A colour for each row and a dash for each group, so that the legend stays as long as both together.
 *
 * Returns {traces, log}: whether the axis is better a log one; null where nothing is turned from weak to strong.
 */
export function sweep(points, metric, palette, colours) {
  const swept = points.filter(p => p.x != null);
  if (!swept.length) return null;
  const groups = unique(swept.map(p => p.group));
  const rows = unique(swept.map(p => p.row));
  const inside = group => swept.filter(p => p.group === group);
  const dash = group => nth(DASHES, groups.indexOf(group));
  const named = new Set();
  const leaks = groups.flatMap(group =>
    unique(inside(group).map(p => p.row)).map(row => {
      const first = !named.has(row);
      named.add(row);
      const {color, kind} = rowLook(rows.indexOf(row), palette);
      const style = {color, dash: dash(group)};
      const own = inside(group).filter(p => p.row === row);
      const hovertemplate = `${row}, ${group}<br>%{x:,}: ${metric} %{y:.3g}<extra></extra>`;
      const marker = {size: 8, symbol: `circle${kind}`};
      return {...line(own, "leak", row, style), marker, showlegend: first, legendgroup: row, hovertemplate};
    }),
  );
  const keys = groups.length > 1 ? groups.map(group => key(group, {color: colours.text, dash: dash(group)})) : [];
  // Where something else than a defense is turned, the target is the same all along.
  const turned = groups.filter(group => unique(inside(group).map(p => p.utility)).length > 1);
  const style = {color: colours.quiet, dash: "dash", width: 2};
  const utilities = turned.map(group => {
    const own = inside(group);
    const one = own.filter(p => p.row === own[0].row);
    return line(one, "utility", "target's accuracy", style);
  });
  const xs = swept.map(p => p.x);
  const log = Math.min(...xs) > 0 && Math.max(...xs) / Math.min(...xs) > WIDE;
  return {traces: [...leaks, ...keys, ...utilities], log};
}

/** A line without points, for the legend only. */
const key = (name, style) => ({
  type: "scatter",
  mode: "lines",
  name,
  x: [null],
  y: [null],
  line: {width: 2.5, ...style},
});
