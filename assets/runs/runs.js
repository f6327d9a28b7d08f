// The table of runs and trainings.

import {$, make} from "../dom.js";
import {Row} from "./row.js";

const STARTS = ["again", "fork"]; // what starts a run is another event than what doesn't
const COLUMNS = [
  ["", "wb-thumb"],
  ["run", ""],
  ["state", ""],
  ["Acc@1", "num"],
  ["time", "num"],
  ["when", ""],
  ["", ""],
];

function heading([text, cls]) {
  const cell = make(text ? "th" : "td", cls, text);
  if (text) cell.scope = "col";
  return cell;
}

class Runs {
  constructor(box, trigger) {
    this.box = box;
    this.trigger = trigger;
    this.rows = [];
    this.open = {now: {}}; // what a person has open: a list that is read anew takes none of it away
    document.addEventListener("click", event => this.closeOthers(event));
  }

  closeOthers(event) {
    const path = event.composedPath();
    for (const menu of this.box.querySelectorAll("details[open]")) if (!path.includes(menu)) menu.open = false;
  }

  row(run) {
    const ask = (what, more) => {
      this.open.now = {};
      this.trigger(STARTS.includes(what) ? "submit" : "select", {do: what, run: run.id, ...more});
    };
    const redraw = () => {
      this.draw(this.rows);
      $(this.box, ".wb-input")?.focus();
    };
    return new Row(run, this.open, {ask, redraw}).element;
  }

  draw(rows) {
    this.rows = rows;
    const held = this.box.contains(document.activeElement) ? document.activeElement : null;
    if (!rows.length) {
      this.box.replaceChildren(make("p", "wb-note", "Nothing has run yet. Start an attack in Invert."));
      return;
    }
    const [table, head, body, line] = ["table", "thead", "tbody", "tr"].map(tag => make(tag));
    table.className = "wb-table";
    line.append(...COLUMNS.map(heading));
    head.append(line);
    body.append(...rows.map(run => this.row(run)));
    table.append(head, body);
    this.box.replaceChildren(table);
    if (held) this.focusLike(held);
  }

  /** Puts the focus on what is in the place of an element of the table before. */
  focusLike(held) {
    if (held.matches("input")) {
      $(this.box, ".wb-input")?.focus();
      return;
    }
    const choices = this.box.querySelectorAll("details[open] :is(summary, button, a)");
    [...choices].find(choice => choice.textContent === held.textContent)?.focus();
  }
}

/** value: {rows: [run, …], seq} */
export function runs(element, props, trigger, watch) {
  const part = new Runs($(element, ".wb-runs"), trigger);
  const draw = () => part.draw(props.value.rows || []);
  watch("value", draw);
  draw();
}
