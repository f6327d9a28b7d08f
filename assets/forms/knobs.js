// The knobs that an attack or a defense declares. Those with a dot can be turned while the run goes.

import {$, make} from "../dom.js";
import {command} from "../live/commands.js";
import {onState, page} from "../state.js";
import {dot, knobRow} from "./knob.js";

const SETTLE_MS = 150; // a slider sends where it came to rest

class Knobs {
  constructor(box, props, trigger) {
    Object.assign(this, {box, props, trigger});
    this.drawn = null; // which declaration is drawn
    this.turned = {}; // live knobs gathered, for another may be turned before this one is sent
  }

  /** Lets only live knobs be turned while a run of this attack goes on. */
  lock() {
    const busy = page.busyWith !== null && page.busyWith === this.props.value.attack;
    for (const row of this.box.querySelectorAll("[data-knob]"))
      for (const control of row.querySelectorAll("input, select"))
        control.disabled = busy && row.dataset.live !== "true";
    this.box.classList.toggle("wb-going", busy);
  }

  put(knob, value, settled) {
    const {value: now} = this.props;
    this.props.value = {...now, values: {...now.values, [knob.name]: value}};
    if (knob.live) this.turned[knob.name] = value;
    clearTimeout(this.sending);
    if (settled) this.send();
    else this.sending = setTimeout(() => this.send(), SETTLE_MS);
  }

  send() {
    const values = this.turned;
    this.turned = {};
    if (Object.keys(values).length && page.view && page.busyWith === this.props.value.attack)
      command(page.view.now.run, {do: "set", values});
    this.trigger("submit");
  }

  draw() {
    const {spec, attack, stamp, title, prefix = "", values} = this.props.value;
    if (!spec) return;
    const now = spec.length ? JSON.stringify([attack, stamp]) : null;
    if (now !== null && now === this.drawn) return;
    this.drawn = now;
    this.turned = {};
    if (!spec.length) {
      this.box.replaceChildren();
      return;
    }
    const rows = spec.map(knob =>
      knobRow(knob, values[knob.name], `${prefix}knob-${knob.name}`, (value, settled) =>
        this.put(knob, value, settled),
      ),
    );
    this.box.replaceChildren(this.head(title, spec), ...rows);
    this.lock();
  }

  head(title, spec) {
    const head = make("div", "wb-field-head");
    head.append(make("span", "wb-label", title || "Knobs"));
    if (spec.some(knob => knob.live)) {
      const hint = make("span", "wb-hint");
      hint.append(dot(""), " can be turned during a run");
      head.append(hint);
    }
    return head;
  }
}

/** value: {attack, prefix, title, spec: [knob, …], values: {name: value}, stamp} */
export function knobs(element, props, trigger, watch) {
  const part = new Knobs($(element, ".wb-knobs"), props, trigger);
  watch("value", () => part.draw());
  part.draw();
  onState(() => part.lock());
}
