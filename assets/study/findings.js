// What a study found, as tables with intervals drawn beside the figures, and pictures sorted by what people saw.

import {make} from "../dom.js";
import {NOTHING, percent} from "../format.js";

const RATES = ["fpr", "fnr", "tpr", "tnr"];
const signed = x => (x == null ? NOTHING : `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2)}`);
const spread = interval => (interval ? `${Math.round(100 * interval[0])} to ${Math.round(100 * interval[1])} %` : "");

/** Where a value lies between two ends, in percent. Pure. */
export const place = (value, low, high) => 100 * Math.max(0, Math.min(1, (value - low) / (high - low || 1)));

/** A value with its interval on a line from `low` to `high`. */
function whisker(value, interval, [low, high] = [0, 1]) {
  const line = make("span", "wb-whisker");
  line.setAttribute("aria-hidden", "true");
  if (low < 0) {
    const zero = make("u");
    zero.style.left = `${place(0, low, high)}%`;
    line.append(zero);
  }
  if (interval) {
    const range = make("i");
    const from = place(interval[0], low, high);
    range.style.left = `${from}%`;
    range.style.width = `${place(interval[1], low, high) - from}%`;
    line.append(range);
  }
  if (value != null) {
    const dot = make("b");
    dot.style.left = `${place(value, low, high)}%`;
    line.append(dot);
  }
  return line;
}

function cell(what, cls) {
  const found = make("td", cls);
  if (what instanceof Node) found.append(what);
  else found.textContent = what;
  return found;
}

function table(heads, lines) {
  const [made, head, first, body] = ["table", "thead", "tr", "tbody"].map(tag => make(tag));
  made.className = "wb-table";
  for (const [text, cls] of heads) {
    const th = make("th", cls, text);
    th.scope = "col";
    first.append(th);
  }
  head.append(first);
  for (const [name, ...cells] of lines) {
    const line = make("tr");
    const th = make("th", null, name);
    th.scope = "row";
    line.append(th, ...cells);
    body.append(line);
  }
  made.append(head, body);
  const scroll = make("div", "wb-scroll");
  scroll.tabIndex = 0; // on a phone it scrolls, and so must be reached by keys
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Figures");
  scroll.append(made);
  return scroll;
}

const shares = [
  ["", ""],
  ["share", "num"],
  ["95 %", "num"],
  ["answers", "num"],
  ["", "wb-wide"],
];

function shareLine(name, share, interval, n, more = []) {
  return [
    name,
    cell(percent(share), "num wb-strong"),
    cell(spread(interval), "num"),
    cell(String(n), "num"),
    cell(whisker(share, interval), "wb-wide"),
    ...more,
  ];
}

function recognised(found) {
  const lines = found.runs.map(run => shareLine(run.title, run.share, run.interval, run.n));
  if (found.photographs)
    lines.push(
      shareLine(
        "Held-out photographs (ceiling)",
        found.photographs.share,
        found.photographs.interval,
        found.photographs.n,
      ),
    );
  if (found.false_alarms)
    lines.push(
      shareLine(
        "Others and random samples (floor)",
        found.false_alarms.share,
        found.false_alarms.interval,
        found.false_alarms.n,
      ),
    );
  return [make("h3", null, "People see the person"), table(shares, lines)];
}

function rates(found) {
  const lines = found.runs.flatMap(run =>
    run.judges.map(judge => [
      found.runs.length > 1 ? `${judge.title}, ${run.title}` : judge.title,
      cell(`${judge.accepts} of ${judge.n}`, "num"),
      ...RATES.map(rate => cell(judge[rate].n ? `${percent(judge[rate].share)} of ${judge[rate].n}` : NOTHING, "num")),
    ]),
  );
  if (!lines.length) return [];
  return [
    make("h3", null, "Evaluator and judges against people"),
    make(
      "p",
      "wb-note",
      "People's majority counts as the truth. FPR: accepted though people see somebody else. FNR: refused though people see the person.",
    ),
    table([["", ""], ["accepts", "num"], ...RATES.map(rate => [rate.toUpperCase(), "num"])], lines),
  ];
}

function correlations(found) {
  const lines = found.correlations.map(each => [
    each.title,
    cell(each.rho == null ? NOTHING : signed(each.rho), "num"),
    cell(String(each.n), "num"),
    cell(each.rho == null ? make("small", null, each.why) : whisker(each.rho, each.interval, [-1, 1]), "wb-wide"),
  ]);
  if (!lines.length) return [];
  return [
    make("h3", null, "Who orders the pictures as people do"),
    make(
      "p",
      "wb-note",
      "Spearman's correlation of people's share with each judge's score and each metric, with a bootstrap interval.",
    ),
    table(
      [
        ["", ""],
        ["rho", "num"],
        ["pictures", "num"],
        ["−1 to 1", "wb-wide"],
      ],
      lines,
    ),
  ];
}

function pictures(found, address) {
  const rows = found.runs.flatMap(run => {
    const numbers = found.shown[run.run] ?? [];
    const seen = run.by_picture.map((share, i) => ({share, i})).filter(each => each.share != null);
    seen.sort((a, b) => b.share - a.share);
    const box = make("div", "wb-study-pictures");
    for (const {share, i} of seen) {
      const figure = make("figure");
      const image = make("img");
      Object.assign(image, {src: address(numbers[i]), alt: `Picture ${i + 1} of ${run.title}`, loading: "lazy"});
      figure.append(image, make("figcaption", null, percent(share)));
      box.append(figure);
    }
    return seen.length ? [make("p", "wb-hint", run.title), box] : [];
  });
  return rows.length ? [make("h3", null, "Most recognised first"), ...rows] : [];
}

function preferences(found) {
  const name = run => found.titles[run] ?? run;
  const all = found.strengths.flatMap(each => [each.strength, ...(each.interval ?? [])]);
  const ends = [Math.min(-1, ...all), Math.max(1, ...all)];
  return [
    make("h3", null, "Closer, two by two"),
    table(
      shares,
      found.pairs.map(pair =>
        shareLine(`${name(pair.first)} rather than ${name(pair.second)}`, pair.share, pair.interval, pair.n),
      ),
    ),
    make("h3", null, "All together (Bradley–Terry)"),
    table(
      [
        ["", ""],
        ["log strength", "num"],
        ["", "wb-wide"],
      ],
      found.strengths.map(each => [
        name(each.run),
        cell(signed(each.strength), "num wb-strong"),
        cell(whisker(each.strength, each.interval, ends), "wb-wide"),
      ]),
    ),
  ];
}

function opinions(found) {
  return [
    make("h3", null, "How real, 1 to 5"),
    table(
      [
        ["", ""],
        ["mean", "num"],
        ["answers", "num"],
        ["1 to 5", "wb-wide"],
      ],
      found.opinions.map(each => [
        found.titles[each.run] ?? each.run,
        cell(each.mean.toFixed(2), "num wb-strong"),
        cell(String(each.n), "num"),
        cell(whisker(each.mean, each.interval, [1, 5]), "wb-wide"),
      ]),
    ),
  ];
}

function reliability(found) {
  const {agreement, consistency, detection, controls} = found;
  const facts = [
    ["Raters who count", `${found.raters - Object.keys(found.left_out).length} of ${found.raters}`],
    ["Alpha", agreement.alpha == null ? NOTHING : agreement.alpha.toFixed(2)],
    ["Pairs agreeing", percent(agreement.percent)],
    ["Asked twice", consistency.n ? `${consistency.same} of ${consistency.n} same` : NOTHING],
    ...(detection ? [["d′ of photographs", detection.d_prime.toFixed(2)]] : []),
    ["Usual time", found.median_rt == null ? NOTHING : `${(found.median_rt / 1000).toFixed(1)} s`],
  ];
  const tiles = make("dl", "wb-tiles");
  for (const [name, value] of facts) {
    const one = make("div");
    one.append(make("dt", null, name), make("dd", null, value));
    tiles.append(one);
  }
  const lines = controls.map(each => shareLine(each.kind, each.right / each.n, each.interval, each.n));
  return [tiles, ...(lines.length ? [make("h3", null, "Controls answered right"), table(shares, lines)] : [])];
}

/** Returns what a study found; `address` gives that of a picture by its number. */
export function findings(found, address) {
  const box = make("div", "wb-findings");
  box.dataset.testid = "findings";
  const kinds = {closer: () => preferences(found), real: () => opinions(found)};
  const recognition = () => [
    ...recognised(found),
    ...rates(found),
    ...pictures(found, address),
    ...correlations(found),
  ];
  const notes = found.notes.map(note => make("p", "wb-remark", note));
  const main = found.answers ? (kinds[found.task] ?? recognition)() : [];
  box.append(...notes, ...main, ...(found.raters ? reliability(found) : []));
  return box;
}
