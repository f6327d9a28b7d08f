// What each protocol of the sum costs and leaves for others to see; measured beforehand, shipped as costs.json.

import {make} from "../dom.js";

const HEAD = ["Protocol", "Sent by one, MB", "Processor seconds", "Sum off by", "One update as the server sees it"];

/** Returns the table of protocols; `rows` as costs.json has them, each with its title. */
export function costTable({rows, measured}) {
  const scroll = make("div", "wb-scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "What protocols cost and hide");
  const table = make("table", "wb-table");
  table.dataset.testid = "protocol-costs";
  const head = make("tr");
  const numbers = new Set([1, 2, 3]);
  [...HEAD, "The finished model, inverted"].forEach((words, i) => {
    const cell = make("th", numbers.has(i) ? "num" : null, words);
    cell.scope = "col";
    head.append(cell);
  });
  const body = make("tbody");
  for (const row of rows) {
    const line = make("tr");
    const name = make("th", null, row.title);
    name.scope = "row";
    const cells = [row.sent, row.seconds, row.error, row.view, row.finished];
    line.append(name, ...cells.map((words, i) => make("td", numbers.has(i + 1) ? "num" : null, words)));
    body.append(line);
  }
  const top = make("thead");
  top.append(head);
  table.append(top, body);
  scroll.append(table);
  const whole = make("div");
  whole.append(scroll, make("p", "wb-note", measured));
  return whole;
}
