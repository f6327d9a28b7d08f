// Classes as bars, by any judge or metric, in the order of the classes or of what they measure.

import {make, menu} from "../dom.js";
import {figure, NOTHING, percent} from "../format.js";

/** The classes in order of a measure, best first, those without it last; or as they come. Pure. */
export function sorted(classes, {key, best}, order) {
  if (order === "class") return [...classes];
  const sign = best === "higher" ? -1 : 1;
  const last = {true: 1, false: 0};
  return [...classes].sort((a, b) => {
    const [x, y] = [a.values[key], b.values[key]];
    if (x == null || y == null) return last[x == null] - last[y == null];
    return sign * (x - y);
  });
}

/** How long each bar is, in percent of the longest; shares in percent of one. Pure. */
export function lengths(values, unit) {
  const most = unit === "share" ? 1 : Math.max(...values.filter(v => v != null), 0) || 1;
  return values.map(v => (v == null ? 0 : Math.max(0, Math.min(100, (100 * v) / most))));
}

export function bars({classes, measures}) {
  const section = make("section", "wb-card-text");
  const head = make("div", "wb-judging-head");
  const body = make("div", "wb-class-bars");
  body.dataset.testid = "class-bars";
  body.tabIndex = 0; // it scrolls, and so must be reached by keys
  body.setAttribute("role", "region");
  body.setAttribute("aria-label", "Classes");
  let measure = measures[0];
  let order = "best";
  const note = make("span", "wb-hint");
  const draw = () => {
    const found = sorted(classes, measure, order);
    const values = found.map(each => each.values[measure.key] ?? null);
    const long = lengths(values, measure.unit);
    note.textContent = measure.best === "higher" ? "longer: more leaked" : "shorter: more leaked";
    body.replaceChildren(
      ...found.map((each, i) => {
        const line = make("div");
        const bar = make("i");
        bar.style.width = `${long[i]}%`;
        const track = make("span", "wb-bar-track");
        track.append(bar);
        const value = values[i] == null ? NOTHING : measure.unit === "share" ? percent(values[i]) : figure(values[i]);
        line.append(make("b", null, each.label), track, make("span", "wb-bar-value", value));
        return line;
      }),
    );
  };
  const by = menu(
    measures.map(each => [each.key, each.title]),
    measure.key,
    key => {
      measure = measures.find(each => each.key === key);
      draw();
    },
  );
  by.setAttribute("aria-label", "What the bars show");
  const sort = menu(
    [
      ["best", "most leaked first"],
      ["class", "as in the run"],
    ],
    order,
    chosen => {
      order = chosen;
      draw();
    },
  );
  sort.setAttribute("aria-label", "Order of the bars");
  head.append(make("h2", null, "Class by class"), note, by, sort);
  section.append(head, body);
  draw();
  return section;
}
