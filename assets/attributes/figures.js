// What the attack found beside every baseline, by value and by group.

import {make} from "../dom.js";

const NAMES = [
  ["accuracy", "accuracy"],
  ["precision", "precision"],
  ["recall", "recall"],
  ["f1", "F1"],
  ["g_mean", "G-mean"],
  ["mcc", "MCC"],
];
const OF_VALUE = NAMES.slice(1);

const three = value => value.toFixed(3);

function cell(value, interval) {
  const td = make("td", "num", value == null ? "" : three(value));
  if (interval) td.append(make("small", "", `${interval[0].toFixed(2)} to ${interval[1].toFixed(2)}`));
  return td;
}

function row(name, cells, cls = "") {
  const tr = make("tr", cls);
  const th = make("th", "", name);
  th.scope = "row";
  tr.append(th, ...cells);
  return tr;
}

function table(heads, rows, caption) {
  const scroll = make("div", "wb-attr-scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", caption);
  const element = make("table", "wb-table");
  const head = make("thead");
  const line = make("tr");
  line.append(
    ...heads.map((text, i) => {
      const th = make("th", i ? "num" : "", text);
      th.scope = "col";
      return th;
    }),
  );
  head.append(line);
  const body = make("tbody");
  body.append(...rows);
  element.append(head, body);
  scroll.append(element);
  return scroll;
}

/** What an attack is worth beside imputation, in a sentence. Pure. */
export function verdict(attacks) {
  const [own, ...others] = attacks;
  const imputed = others.find(a => a.key === "imputation");
  const most = others.find(a => a.key === "majority");
  const says = share => `${Math.round(100 * share)} %`;
  const head = `${own.title} names ${says(own.overall.accuracy)} right`;
  if (!imputed || !most) return `${head}.`;
  const more = own.overall.mcc > imputed.overall.mcc;
  const beside = `the most common value ${says(most.overall.accuracy)}`;
  const without = `a classifier that never saw the target ${says(imputed.overall.accuracy)}`;
  const told = more ? "told more than" : "told no more than";
  return `${head}; ${beside}, ${without}. By Matthews' correlation the target ${told} other people's records do.`;
}

export class Figures {
  constructor() {
    this.box = make("section");
    this.box.hidden = true;
  }

  show({judgement, scene}) {
    const {attacks, groups, target} = judgement;
    const own = attacks[0];
    this.box.hidden = false;
    const every = attacks.map((a, i) =>
      row(
        a.title,
        NAMES.map(([key]) => cell(a.overall[key], i ? null : a.intervals[key])),
        i ? "" : "wb-attr-own",
      ),
    );
    const values = own.values.map(v =>
      row(
        `${v.value} (${v.n})`,
        OF_VALUE.map(([key]) => cell(v[key], v.intervals[key])),
      ),
    );
    const error = target.mean_error == null ? "" : `; its doses are off by ${target.mean_error.toFixed(1)} mg a week`;
    const parts = [
      make("h2", "", `What leaks of ${scene.records.toLocaleString("en")} records`),
      make("p", "", verdict(attacks)),
      make(
        "p",
        "wb-note",
        `The target is right about ${Math.round(100 * target.accuracy)} % of people it never saw${error}.`,
      ),
      table(["over all values", ...NAMES.map(([, text]) => text)], every, "Figures over all values"),
      table([scene.sensitive, ...OF_VALUE.map(([, text]) => text)], values, "Figures by value"),
    ];
    for (const {column, groups: rows, gap} of groups) {
      if (gap == null) continue;
      const lines = rows.map(g => row(`${g.group} (${g.n})`, [cell(g.accuracy, g.interval), cell(g.mcc)]));
      parts.push(table([`by ${column}, ${three(gap)} apart`, "accuracy", "MCC"], lines, `Figures by ${column}`));
    }
    this.box.replaceChildren(...parts);
  }
}
