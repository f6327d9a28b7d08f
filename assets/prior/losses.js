// The losses of a training, each as a small curve.

import {make} from "../dom.js";
import {figure} from "../format.js";
import {Table} from "../table.js";

const SVG = "http://www.w3.org/2000/svg";
const KNOWN = ["step", "seconds"];
const WIDTH = 100;
const HEIGHT = 30;

const signed = value => `${value < 0 ? "−" : ""}${figure(Math.abs(value))}`;

/** Returns "x,y x,y …" of points [[x, y], …] within the small picture; a flat line lies in its middle. */
export function outline(points) {
  const ys = points.map(([, y]) => y);
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const [first, last] = [points[0][0], points[points.length - 1][0]];
  const across = x => (last > first ? (x - first) / (last - first) : 0) * WIDTH;
  const up = y => HEIGHT - 1 - (high > low ? (y - low) / (high - low) : 0.5) * (HEIGHT - 2);
  return points.map(([x, y]) => `${across(x)},${up(y)}`).join(" ");
}

function curve(table, name) {
  const points = table.rows.filter(row => Number.isFinite(row[name])).map(row => [row.step, row[name]]);
  if (!points.length) return null;
  const [begin, end] = [points[0][1], points[points.length - 1][1]];
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name}: from ${signed(begin)} to ${signed(end)}`);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", outline(points));
  svg.append(line);
  const item = make("div", "wb-loss");
  item.append(make("span", null, name.replaceAll("_", " ")), svg, make("b", null, signed(end)));
  return item;
}

/** columns: names, "step" and "seconds" among them; lines: of the record, without header. Null where there is none. */
export function losses(columns, lines) {
  const named = columns.filter(name => !KNOWN.includes(name));
  if (!named.length) return null;
  const table = new Table();
  [columns.join(","), ...lines].forEach(line => table.add(line));
  const box = make("div", "wb-losses");
  box.append(...named.map(name => curve(table, name)).filter(Boolean));
  return box;
}
