// The desk of who runs a study: make one, hand out its link, see who comes, end it, read what it found.

import {ask, button, make, say, visible} from "../dom.js";
import {findings} from "./findings.js";
import {newStudy} from "./form.js";
import {send} from "./requests.js";

const LOOK_MS = 2000; // between looks at who has come
const LIST_MS = 20000; // between looks at what studies and runs there are
const HERE = "/wb/studies";

/** How many came and how far they are, in words. Pure. */
export function tallied({raters, finished, answers, ended}) {
  const people = raters.length === 1 ? "1 rater" : `${raters.length} raters`;
  return `${ended ? "Ended" : "Open"} · ${people}, ${finished} finished · ${answers} answers`;
}

function chip(text) {
  return make("span", "wb-state", text);
}

class Desk {
  constructor(box) {
    this.list = make("div", "wb-study-list");
    this.list.setAttribute("role", "group");
    this.list.setAttribute("aria-label", "Studies");
    this.side = make("div", "wb-study-side");
    this.one = make("div", "wb-study-one");
    this.side.append(this.list);
    box.append(this.side, this.one);
    this.chosen = null;
    this.look();
    setInterval(() => visible(box) && this.look(), LIST_MS);
    setInterval(() => visible(box) && this.parts && this.follow().catch(() => {}), LOOK_MS);
    new IntersectionObserver(([seen]) => seen.isIntersecting && this.look()).observe(box); // on turning to the tab
  }

  async look() {
    try {
      const found = await (await ask(HERE)).json();
      const stamp = JSON.stringify(found);
      if (stamp !== this.stamp) {
        this.stamp = stamp;
        this.draw(found);
      }
    } catch (error) {
      if (!this.stamp) this.one.replaceChildren(make("p", "wb-note", error.message));
    }
  }

  draw({studies, runs, tasks}) {
    this.found = {runs, tasks};
    const anew = button("New study", () => this.anew());
    const lines = studies.map(study => {
      const line = button(study.title, () => this.choose(study.id), "wb-study-line");
      line.dataset.study = study.id;
      return line;
    });
    this.list.replaceChildren(anew, ...lines);
    if (!this.chosen && !this.making) {
      if (studies.length) this.choose(studies[0].id);
      else this.anew();
    } else {
      if (this.making && runs.length) this.form.offer ? this.form.offer(runs) : this.anew();
      this.mark();
    }
  }

  mark() {
    for (const line of this.list.querySelectorAll("[data-study]"))
      line.setAttribute("aria-current", String(line.dataset.study === this.chosen));
  }

  anew() {
    this.making = true;
    this.chosen = null;
    this.mark();
    this.form = newStudy(this.found, async asked => {
      const {id} = await send(HERE, "POST", asked);
      this.stamp = null;
      this.choose(id);
      await this.look();
    });
    this.one.replaceChildren(this.form.card);
  }

  async choose(id) {
    this.making = false;
    this.chosen = id;
    this.parts = null;
    this.mark();
    this.one.replaceChildren(make("p", "wb-note", "One moment."));
    try {
      await this.follow();
    } catch (error) {
      this.one.replaceChildren(make("p", "wb-note", error.message));
    }
  }

  async follow() {
    const id = this.chosen;
    const study = await (await ask(`${HERE}/${id}`)).json();
    if (id !== this.chosen) return;
    if (!this.parts) this.build(study);
    say(this.parts.tally, tallied(study));
    this.parts.end.hidden = Boolean(study.ended);
    this.raters(study);
  }

  build(study) {
    const address = `${HERE}/${study.study}`;
    const card = make("section", "wb-card-text");
    const tally = make("p", "wb-study-tally");
    tally.dataset.testid = "tally";
    const link = make("input", "wb-input");
    Object.assign(link, {readOnly: true, value: study.link});
    link.setAttribute("aria-label", "Link for raters");
    link.addEventListener("focus", () => link.select());
    const code = make("img", "wb-study-qr");
    Object.assign(code, {src: `${address}/qr.svg`, alt: "The link as a QR code"});
    code.addEventListener("click", () => code.classList.toggle("large"));
    code.title = "Click: large, for a projector";
    const open = make("a", "wb-button", "Open as a rater");
    Object.assign(open, {href: study.link, target: "_blank", rel: "noopener"});
    const end = button("End the study", () => this.end(address, end), "wb-button wb-danger");
    const csv = make("a", "wb-button", "Answers (CSV)");
    const json = make("a", "wb-button", "Answers (JSON)");
    csv.href = `${address}/answers.csv`;
    json.href = `${address}/answers.json`;
    for (const file of [csv, json]) file.download = "";
    const alone = study.alone
      ? [
          make(
            "p",
            "wb-remark",
            "Only this machine reaches this link. For phones, start with --host 0.0.0.0 and open this page by the machine's own address.",
          ),
        ]
      : [];
    const way = make("div", "wb-study-way");
    const words = make("div");
    const acts = make("div", "wb-study-acts");
    acts.append(open, csv, json, end);
    words.append(tally, link, ...alone, acts);
    way.append(code, words);
    const rule = make("p", "wb-note", `${study.question} ${study.length} questions each. ${study.rule}`);
    const raters = make("details");
    const who = make("div", "wb-scroll");
    raters.append(make("summary", null, "Raters"), who);
    card.append(make("h2", null, study.title), rule, way, raters);
    const results = make("section", "wb-card-text");
    const body = make("div");
    const show = button("Show what was found", () => this.find(address, body, show));
    results.append(
      make("h2", null, "Findings"),
      make("p", "wb-note", "Hidden, so that a screen that raters see leans nobody."),
      show,
      body,
    );
    this.one.replaceChildren(card, results);
    this.parts = {tally, end, who};
  }

  raters({study, raters}) {
    const stamp = JSON.stringify(raters);
    if (this.parts.stamp === stamp) return;
    this.parts.stamp = stamp;
    const table = make("table", "wb-table");
    for (const rater of raters) {
      const line = make("tr");
      const name = make("th", null, rater.id);
      name.scope = "row";
      if (rater.simulated) name.append(" ", chip("simulated"));
      const remove = button(
        "Delete",
        () => {
          if (remove.textContent === "Delete") {
            remove.textContent = "Really delete?";
            return;
          }
          send(`${HERE}/${study}/raters/${rater.id}`, "DELETE").then(() => this.follow());
        },
        "wb-plain wb-red",
      );
      const last = make("td", "num");
      last.append(remove);
      line.append(name, make("td", "num", `${rater.done} of ${rater.of}`), last);
      table.append(line);
    }
    this.parts.who.replaceChildren(raters.length ? table : make("p", "wb-note", "Nobody came yet."));
  }

  async end(address, pressed) {
    if (pressed.textContent === "End the study") {
      pressed.textContent = "Really end it?";
      return;
    }
    await send(`${address}/end`, "POST", {});
    await this.follow();
  }

  async find(address, body, pressed) {
    pressed.disabled = true;
    try {
      const found = await (await ask(`${address}/findings.json`)).json();
      body.replaceChildren(findings(found, number => `${address}/pictures/${number}.png`));
      pressed.textContent = "Read again";
    } catch (error) {
      body.replaceChildren(make("p", "wb-note", error.message));
    } finally {
      pressed.disabled = false;
    }
  }
}

export function desk(element) {
  return new Desk(element.querySelector(".wb-study"));
}
