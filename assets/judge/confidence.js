// The target's confidence in each picture through the run, from its frames.

import {make} from "../dom.js";
import {frameLine} from "../table.js";

const NS = "http://www.w3.org/2000/svg";
const MOST = 120; // points of a line

/** Reads the confidences of every frame, in percent: [{frame, values}]. Pure. */
export function lines(text) {
  const rows = text.split("\n").filter(Boolean).map(frameLine);
  const stride = Math.ceil(rows.length / MOST) || 1;
  return rows.filter((_, at) => at % stride === 0 || at === rows.length - 1);
}

/** The points of one candidate's line in a box of 100 by 100, upwards; "" where fewer than two are known. Pure. */
export function points(rows, i) {
  const known = rows.filter(row => row.values[i] != null);
  if (known.length < 2) return "";
  const first = known[0].frame;
  const span = known[known.length - 1].frame - first || 1;
  return known
    .map(row => `${((100 * (row.frame - first)) / span).toFixed(1)},${(100 - row.values[i]).toFixed(1)}`)
    .join(" ");
}

/** A line from 0 to 100 % over the frames. */
export function spark(rows, i, cls = "wb-spark") {
  const box = make("span", cls);
  const found = points(rows, i);
  if (!found) return box;
  const known = rows.filter(row => row.values[i] != null);
  const last = known[known.length - 1].values[i];
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 -4 100 108");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `The target's confidence through the run, ${last} percent at its end`);
  const line = document.createElementNS(NS, "polyline");
  line.setAttribute("points", found);
  svg.append(line);
  box.append(svg, make("small", null, `target ${Math.round(last)} %`));
  return box;
}
