// A CSV of one's own: looked at by the server, then kept as a table once it is said which column is private.

import {button, make, menu, say} from "../dom.js";
import {field, input} from "./fields.js";

const KIND = "text/csv";
const ADDRESS = "/wb/attributes/tables";

/** What a table may be called, by what its file is called. Pure. */
export const nameOf = file =>
  file
    .replace(/\.[^.]*$/, "")
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^[-_]+/, "")
    .slice(0, 40)
    .replace(/-+$/, "") || "table";

/** Why a file of so many bytes is not sent at all; "" for one that is. Pure. */
export const tooLarge = (bytes, most) =>
  bytes > most
    ? `The file has ${Math.ceil(bytes / 2 ** 20)} MiB; at most ${most >> 20} MiB are read. Take a sample of its rows.`
    : "";

/** A column as the menus show it. Pure. */
export const columnSaid = c =>
  `${c.name} (${c.number ? "numbers" : `${c.values} values`}${c.missing ? `, ${c.missing} missing` : ""})`;

/** Sends a file as it is; gives the server's answer, or throws its words. */
export async function sendTable(file, address, request = fetch) {
  const answer = await request(address, {method: "POST", headers: {"Content-Type": KIND}, body: file});
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.error || `The server answered ${answer.status}.`);
  return found;
}

export class Bring {
  /** `kept` is told the scenario that a table was made into. */
  constructor(kept) {
    this.kept = kept;
    this.most = Infinity;
    this.box = make("div", "wb-attr-bring");
    this.file = input("", "file");
    Object.assign(this.file, {accept: `.csv,.tsv,.txt,${KIND}`, hidden: true});
    this.file.setAttribute("aria-label", "CSV file");
    this.file.addEventListener("change", () => {
      const [file] = this.file.files;
      if (file) this.busily(() => this.look(file));
      this.file.value = ""; // the same file may be chosen again
    });
    this.open = button("Bring a CSV …", () => this.file.click(), "wb-plain");
    this.open.title = "A table with a header; any usual delimiter and encoding.";
    this.words = make("p", "wb-note");
    this.words.setAttribute("role", "status");
    this.about = make("div", "wb-attr-about");
    this.about.hidden = true;
    this.box.append(this.open, this.file, this.words, this.about);
  }

  /** Does something that may be refused, with the buttons off meanwhile. */
  async busily(work) {
    if (this.open.disabled) return;
    this.open.disabled = true;
    this.words.classList.remove("wb-problem");
    try {
      await work();
    } catch (error) {
      say(this.words, error.message);
      this.words.classList.add("wb-problem");
    } finally {
      this.open.disabled = false;
    }
  }

  async look(file) {
    this.about.hidden = true;
    const problem = tooLarge(file.size, this.most);
    if (problem) throw new Error(problem);
    say(this.words, `Reading ${file.name} …`);
    const found = await sendTable(file, `${ADDRESS}/look`);
    const said = `${file.name}: ${found.rows.toLocaleString("en")} rows, ${found.columns.length} columns.`;
    say(this.words, [said, ...found.notes].join(" "));
    this.declare(file, found.columns);
  }

  declare(file, columns) {
    const pairs = list => list.map(c => [c.name, columnSaid(c)]);
    const inferred = columns.filter(c => c.inferred);
    const name = input(nameOf(file.name));
    const sensitive = menu(pairs(inferred), inferred[0].name, () => {});
    const last = columns.filter(c => c.name !== inferred[0].name).at(-1);
    const response = menu(pairs(columns), last.name, () => {});
    const keep = () => this.busily(() => this.keep(file, name.value, sensitive.value, response.value));
    this.about.replaceChildren(
      field("Name", name),
      field("Private column, which is inferred", sensitive),
      field("Column that the target predicts", response),
      button("Keep the table", keep),
    );
    this.about.hidden = false;
    name.focus();
  }

  async keep(file, name, sensitive, response) {
    const {scenario} = await sendTable(file, `${ADDRESS}?${new URLSearchParams({name, sensitive, response})}`);
    this.about.hidden = true;
    say(this.words, `Kept as ${scenario}.`);
    this.kept(scenario);
  }
}
