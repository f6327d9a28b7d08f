// A line over steps as SVG, with its own axis: what a page that may load no library draws curves with.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [320, 150];
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 10, 10, 34];

const known = value => value != null && Number.isFinite(value);

/** The least and the most of some values, apart from each other; null where none is known. Pure. */
export function extent(values) {
  const there = values.filter(known);
  if (!there.length) return null;
  const [lo, hi] = [Math.min(...there), Math.max(...there)];
  return lo === hi ? [lo - 0.5, hi + 0.5] : [lo, hi];
}

/** A number for an axis. Pure. */
export const short = value => String(Number(value.toPrecision(3)));

/** Where values lie in a box: an SVG path with a gap wherever one is not known. Pure. */
export function path(xs, ys, across, up) {
  let drawn = "";
  let gap = true;
  xs.forEach((x, i) => {
    if (!known(x) || !known(ys[i])) {
      gap = true;
      return;
    }
    drawn += `${gap ? "M" : "L"}${across(x).toFixed(1)} ${up(ys[i]).toFixed(1)}`;
    gap = false;
  });
  return drawn;
}

function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text != null) element.textContent = text;
  return element;
}

/**
 * Draws `ys` over `xs`; returns {element, mark(x)}, which moves the cursor, or null where nothing is known.
 *
 * axis: what is counted across.
 */
export function chart(title, xs, ys, axis) {
  const [wide, high] = [extent(xs), extent(ys)];
  if (!wide || !high) return null;
  const across = x => LEFT + ((WIDTH - LEFT - RIGHT) * (x - wide[0])) / (wide[1] - wide[0]);
  const up = y => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * (y - high[0])) / (high[1] - high[0]);
  const svg = shape("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title} over ${axis}`});
  for (const y of high) {
    svg.append(shape("line", {class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: up(y), y2: up(y)}));
    svg.append(shape("text", {x: LEFT - 6, y: up(y) + 5, "text-anchor": "end"}, short(y)));
  }
  wide.forEach((x, i) =>
    svg.append(shape("text", {x: across(x), y: HEIGHT - 14, "text-anchor": i ? "end" : "start"}, short(x))),
  );
  svg.append(shape("text", {x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 14, "text-anchor": "middle"}, axis));
  svg.append(shape("path", {class: "line", d: path(xs, ys, across, up)}));
  const cursor = shape("line", {class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM});
  svg.append(cursor);
  const element = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  element.append(caption, svg);
  const mark = x => {
    const at = known(x) ? across(Math.min(wide[1], Math.max(wide[0], x))) : -10;
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
  };
  return {element, mark};
}
