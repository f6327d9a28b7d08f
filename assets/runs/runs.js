// The table of runs and trainings.

import {setPins} from "../compare/pins.js";
import {$, make} from "../dom.js";
import {Row} from "./row.js";
import {Toolbar} from "./toolbar.js";

const STARTS = ["again", "fork"]; // what starts a run is another event than what doesn't
const EMPTY = "Nothing has run yet. Start an attack in Invert.";
const COLUMNS = [
  ["", "wb-choose"],
  ["", "wb-thumb"],
  ["run", ""],
  ["state", ""],
  ["recognised", "num"],
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
  constructor(box, props, trigger) {
    this.props = props;
    this.trigger = trigger;
    this.rows = [];
    this.open = {now: {}}; // what a person has open: a list that is read anew takes none of it away
    this.chosen = new Set(); // across pages
    this.toolbar = new Toolbar({
      look: where => this.look(where),
      act: what => this.act(what),
      forget: () => {
        this.chosen.clear();
        this.draw(this.props.value);
      },
    });
    this.box = make("div", "wb-scroll");
    box.append(this.toolbar.element, this.box);
    document.addEventListener("click", event => this.closeOthers(event));
  }

  /** Asks for another page, or for what a search finds. */
  look(where) {
    this.props.value = {...this.props.value, ...where};
    this.trigger("input");
  }

  /** Compares or deletes what is chosen. */
  act(what) {
    const runs = [...this.chosen];
    if (what === "compare") setPins({a: runs[0], b: runs[1]});
    if (what === "delete-all") this.chosen.clear();
    this.trigger("select", {do: what, runs});
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
      this.draw(this.props.value);
      $(this.box, ".wb-input")?.focus();
    };
    const choose = on => {
      if (on) this.chosen.add(run.id);
      else this.chosen.delete(run.id);
      this.toolbar.draw(this.props.value, this.chosen);
    };
    return new Row(run, this.open, {ask, redraw, choose, chosen: () => this.chosen.has(run.id)}).element;
  }

  draw(value) {
    const {rows = [], search} = value;
    this.rows = rows;
    this.toolbar.draw(value, this.chosen);
    const held = this.box.contains(document.activeElement) ? document.activeElement : null;
    if (!rows.length) {
      this.box.replaceChildren(make("p", "wb-note", search ? `Nothing is called "${search}".` : EMPTY));
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

/** value: {rows: [run, …], page, pages, total, search, said, seq} */
export function runs(element, props, trigger, watch) {
  const part = new Runs($(element, ".wb-runs"), props, trigger);
  const draw = () => part.draw(props.value);
  watch("value", draw);
  draw();
}
