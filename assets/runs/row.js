// One line of the table of runs. Names and reasons are other people's text: they are only ever set as text.

import {pin} from "../compare/pins.js";
import {$, button, make} from "../dom.js";
import {NOTHING, count, percent, span} from "../format.js";

const RED = "wb-plain wb-red";

function link(text, href) {
  const element = make("a", "wb-plain", text);
  element.href = href;
  element.setAttribute("download", "");
  return element;
}

/** What a run or a training is, under its name. */
export function described(run) {
  const {name, what, seed, id} = run;
  const steps = run.steps ? `${count(run.steps)} steps` : "a training";
  const noun = run.noun ?? "image";
  const size = run.kind === "training" ? steps : `${run.count} ${noun}${run.count === 1 ? "" : "s"}`;
  return `${name ? `${what} · ` : ""}${size}, seed ${seed} · ${id}`;
}

/**
 * What came of a run: {lead, beside}. The judges who can say "nobody I know" lead; the evaluator has to choose, so what it
 * finds stands beside them, or alone where nobody else knows such pictures. Pure.
 */
export function found({accuracy, recognised, judged, count: candidates, noun}) {
  if (accuracy == null) return {lead: NOTHING, beside: ""};
  if (noun === "record") return {lead: percent(accuracy), beside: "named right"};
  const chosen = `${Math.round(accuracy * candidates)} of ${candidates}`;
  if (recognised == null) return {lead: chosen, beside: "by the evaluator alone"};
  return {lead: `${recognised} of ${judged}`, beside: `evaluator ${chosen}`};
}

export class Row {
  /**
   * run: {id, kind, name, what, state, ended, reason, …}; open: what a person has open, {run, menu, sure, name}, as an
   * object that is the same for all rows and outlives them; asks: {ask(what, more), redraw(), chosen(), choose(on)}.
   */
  constructor(run, open, asks) {
    Object.assign(this, {run, open, ...asks});
    this.mine = open.now.run === run.id ? open.now : {};
    this.training = run.kind === "training";
    this.element = make("tr");
    this.element.dataset.run = run.id;
    this.element.dataset.state = run.state;
    this.element.append(this.box(), this.thumb(), this.who(), this.state(), ...this.figures(), this.acts());
    if (this.mine.name != null) this.edit(this.mine.name);
  }

  /** The box by which a line is chosen, to be compared or deleted with others. */
  box() {
    const box = make("input");
    Object.assign(box, {type: "checkbox", checked: this.chosen()});
    box.setAttribute("aria-label", `Choose ${this.run.name || this.run.what}, ${this.run.id}`);
    box.addEventListener("change", () => this.choose(box.checked));
    const cell = make("td", "wb-choose");
    cell.append(box);
    return cell;
  }

  thumb() {
    const {id} = this.run;
    const picture = make("img");
    picture.src = this.training ? `/wb/trainings/${id}/samples/latest.webp` : `/wb/runs/${id}/frames/latest.jpg`;
    Object.assign(picture, {alt: "", loading: "lazy"});
    picture.addEventListener("error", () => picture.remove());
    const cell = make("td", "wb-thumb");
    cell.append(picture);
    return cell;
  }

  who() {
    const {name, what, reason, state} = this.run;
    this.name = make("td", "wb-who");
    this.name.append(make("b", null, name || what), make("small", null, described(this.run)));
    if (reason && state !== "finished") this.name.append(make("small", "wb-reason", reason));
    return this.name;
  }

  state() {
    const cell = make("td", "wb-standing");
    cell.append(make("span", "wb-state", this.run.state));
    return cell;
  }

  figures() {
    const {recognised, seconds, when} = this.run;
    const {lead, beside} = found(this.run);
    const cell = make("td", `num wb-found${lead === NOTHING ? " wb-none" : ""}`);
    cell.append(make(recognised == null ? "span" : "b", null, lead), make("small", null, beside));
    if (this.run.noun !== "record") cell.dataset.label = "Recognised";
    const took = make("td", `num wb-took${seconds == null ? " wb-none" : ""}`, span(seconds));
    return [cell, took, make("td", "wb-when", when)];
  }

  acts() {
    const cell = make("td", "wb-acts");
    const {ended} = this.run;
    const look = (text, what) => button(text, () => this.ask(what));
    if (this.training) cell.append(look(ended ? "Look" : "Watch", "watch"));
    else cell.append(look(ended ? "Replay" : "Watch", "open"), look("Judge", "judge"));
    cell.append(this.menu());
    return cell;
  }

  menu() {
    const {id, ended, accuracy, webm, mine = true} = this.run; // what is somebody else's may be watched and taken away
    const list = make("div", "wb-menu");
    const act = (text, what, cls = "wb-plain") => button(text, () => this.ask(what), cls);
    if (!this.training) list.append(act("Run again", "again"), ...(mine ? [act("Fork from the end", "fork")] : []));
    if (mine) list.append(button("Rename", () => this.rename(), "wb-plain"));
    if (!this.training)
      list.append(
        button("Pin to compare", () => pin(id), "wb-plain"),
        link("Report (HTML)", `/wb/runs/${id}/report.html`),
        link("Report (JSON)", `/wb/runs/${id}/report.json`),
        link("Sheet (PNG)", `/wb/runs/${id}/sheet.png`),
        link("Film (GIF)", `/wb/runs/${id}/frames.gif`),
        ...(webm ? [link("Film (WebM)", `/wb/runs/${id}/frames.webm`)] : []),
        link("Record (JSON)", `/wb/runs/${id}/run.json`),
      );
    if (ended && accuracy != null) list.append(link("Result (safetensors)", `/wb/runs/${id}/result.safetensors`));
    this.sure = act("Really delete?", "delete", RED);
    this.remove = button("Delete", () => this.makeSure(), RED);
    const removing = this.mine.sure ? this.sure : this.remove;
    if (mine) list.append(ended ? removing : act("Stop", "stop", RED));
    this.more = make("details");
    this.more.append(make("summary", "wb-plain", "More"), list);
    this.more.open = Boolean(this.mine.menu);
    this.more.addEventListener("toggle", () => this.toggled());
    this.more.addEventListener("keydown", event => {
      if (event.key !== "Escape" || !this.more.open) return;
      event.stopPropagation();
      this.more.open = false;
      $(this.more, "summary").focus();
    });
    return this.more;
  }

  toggled() {
    if (this.open.now.name != null) return;
    if (this.more.open) this.open.now = {run: this.run.id, menu: true, sure: this.sure.isConnected};
    else {
      this.sure.replaceWith(this.remove);
      if (this.open.now.run === this.run.id && this.open.now.menu) this.open.now = {};
    }
  }

  makeSure() {
    this.open.now = {run: this.run.id, menu: true, sure: true};
    this.remove.replaceWith(this.sure);
    this.sure.focus();
  }

  rename() {
    this.open.now = {run: this.run.id, name: this.run.name};
    this.redraw();
  }

  /** Puts a field for a new name in the name's place. */
  edit(text) {
    const field = make("input", "wb-input");
    Object.assign(field, {maxLength: 80, value: text});
    field.setAttribute("aria-label", "New name");
    const keep = () => this.ask("rename", {name: field.value});
    field.addEventListener("input", () => {
      this.open.now = {run: this.run.id, name: field.value};
    });
    field.addEventListener("keydown", event => {
      if (event.key === "Enter") keep();
      if (event.key !== "Escape") return;
      this.open.now = {};
      this.redraw();
    });
    this.name.replaceChildren(field, button("Keep", keep));
    this.more.open = false;
  }
}
