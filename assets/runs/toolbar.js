// What stands over the table of runs: the search, the pages, and what can be done with the lines that are chosen.

import {button, make, say} from "../dom.js";
import {count} from "../format.js";

const SETTLE_MS = 250; // a search begins when typing rests

/** What the table shows, in words. Pure. */
export function shown({total = 0, page = 0, pages = 1, rows = [], search = ""}) {
  const noun = total === 1 ? "run" : "runs";
  const matching = search ? " found" : "";
  const where = pages > 1 ? `, page ${page + 1} of ${pages}` : "";
  return rows.length ? `${count(total)} ${noun}${matching}${where}` : "";
}

export class Toolbar {
  /** asks: {look({page, search}), act(what), forget()}. */
  constructor(asks) {
    this.element = make("div", "wb-toolbar");
    this.search = make("input", "wb-input");
    Object.assign(this.search, {type: "search", placeholder: "Search runs", maxLength: 80});
    this.search.setAttribute("aria-label", "Search runs");
    this.search.addEventListener("input", () => {
      clearTimeout(this.settling);
      this.settling = setTimeout(() => asks.look({page: 0, search: this.search.value}), SETTLE_MS);
    });
    this.words = make("span", "wb-hint");
    this.words.setAttribute("role", "status");
    this.newer = button("Newer", () => asks.look({page: this.page - 1}));
    this.older = button("Older", () => asks.look({page: this.page + 1}));
    this.compare = button("Compare", () => asks.act("compare"));
    this.remove = button("Delete", () => this.makeSure(), "wb-button wb-danger");
    this.sure = button("Really delete?", () => asks.act("delete-all"), "wb-button wb-danger");
    this.none = button("Choose none", asks.forget, "wb-plain");
    this.picked = make("span", "wb-hint");
    this.chosen = make("span", "wb-chosen");
    this.chosen.append(this.picked, this.compare, this.remove, this.sure, this.none);
    this.element.append(this.search, this.newer, this.older, this.words, this.chosen);
  }

  makeSure() {
    this.remove.hidden = true;
    this.sure.hidden = false;
    this.sure.focus();
  }

  /** value: the table's; chosen: the ids of the lines that are chosen, on this page or another. */
  draw(value, chosen) {
    const {page = 0, pages = 1, search = "", said = ""} = value;
    this.page = page;
    if (document.activeElement !== this.search) this.search.value = search;
    this.newer.hidden = this.older.hidden = pages < 2;
    this.newer.disabled = page === 0;
    this.older.disabled = page >= pages - 1;
    say(this.words, [shown(value), said].filter(Boolean).join(" · "));
    this.chosen.hidden = chosen.size === 0;
    say(this.picked, `${chosen.size} chosen`);
    this.compare.disabled = chosen.size !== 2;
    this.compare.title = chosen.size === 2 ? "" : "Choose two runs";
    this.remove.hidden = false;
    this.sure.hidden = true;
  }
}
