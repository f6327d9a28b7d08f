// Training among participants: its form, and accuracy round by round.

import {ask, button, make, menu, say, visible} from "../dom.js";
import {send} from "../study/requests.js";
import {field, folded, number} from "./parts.js";

const LOOK_MS = 1500;
const NS = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, FOOT] = [560, 170, 60, 24];

/** The path of accuracies over rounds, within a chart of `rounds` rounds; gaps where there is none. Pure. */
export function pathOf(values, rounds) {
  const x = i => LEFT + ((WIDTH - LEFT - 8) * i) / Math.max(1, rounds);
  const y = v => 8 + (HEIGHT - FOOT - 8) * (1 - v);
  let pen = "M";
  return values
    .map((v, i) => {
      if (v == null) {
        pen = "M";
        return "";
      }
      const point = `${pen}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
      pen = "L";
      return point;
    })
    .join("");
}

/** What was refused, a sentence each round. Pure. */
export const refusals = cards =>
  cards.flatMap((card, round) => card.participants.filter(p => p.refused).map(p => `Round ${round}: ${p.refused}`));

/** What differential privacy has spent after the last round, "" where there is none. Pure. */
export function spent(cards) {
  const {privacy} = cards.at(-1);
  if (!privacy) return "";
  const whom = privacy.of === "client" ? "a participant" : "an image";
  return `Privacy of ${whom} after round ${cards.length - 1}: ε ${privacy.epsilon.toFixed(2)} at δ ${privacy.delta}.`;
}

/** What the last round cost, "" before the first. Pure. */
export function costs(cards) {
  const {protocol} = cards.at(-1);
  if (!protocol?.sent) return "";
  const [up, down] = [protocol.sent, protocol.received].map(bytes => (bytes / 1e6).toFixed(2));
  return `The last round's sum: ${up} MB from each participant, ${down} MB to each, ${protocol.seconds.toFixed(2)} s.`;
}

function put(svg, tag, attributes, text) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text != null) element.textContent = text;
  svg.append(element);
}

/** Returns a chart: the global model's accuracy in the accent, each participant's in grey. */
export function chart({cards, participants, rounds}) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("class", "wb-fed-chart");
  svg.setAttribute("role", "img");
  const last = cards.at(-1);
  svg.setAttribute("aria-label", `Accuracy after round ${cards.length - 1}: ${(100 * last.accuracy).toFixed(1)} %`);
  for (const level of [0, 0.5, 1]) {
    const y = 8 + (HEIGHT - FOOT - 8) * (1 - level);
    put(svg, "line", {x1: LEFT, x2: WIDTH - 8, y1: y, y2: y, class: "grid"});
    put(svg, "text", {x: LEFT - 6, y: y + 5, "text-anchor": "end"}, `${100 * level} %`);
  }
  for (let number_ = 0; number_ < participants; number_++) {
    const own = cards.map(card => card.participants.find(p => p.number === number_)?.accuracy ?? null);
    put(svg, "path", {d: pathOf(own, rounds), class: "own"});
  }
  put(svg, "path", {
    d: pathOf(
      cards.map(card => card.accuracy),
      rounds,
    ),
    class: "global",
  });
  put(svg, "text", {x: LEFT, y: HEIGHT - 4}, "round 0");
  put(svg, "text", {x: WIDTH - 8, y: HEIGHT - 4, "text-anchor": "end"}, `${rounds}`);
  return svg;
}

export class Training {
  /** changed: called when a round is over. */
  constructor(box, found, changed) {
    this.changed = changed;
    this.box = box;
    const title = make("h2", null, "Train among participants");
    const note = make(
      "p",
      "wb-note",
      "Every global model and everything that each participant sends is kept, round by round.",
    );
    const fields = [];
    this.scenario = menu(
      found.scenarios.map(s => [s.key, s.title]),
      found.scenarios.find(s => s.key === "digits")?.key ?? found.scenarios[0]?.key,
      () => {},
    );
    this.arch = menu(
      found.archs.map(a => [a.key, a.title]),
      found.archs.find(a => a.key === "softmax")?.key ?? found.archs[0]?.key,
      () => {},
    );
    fields.push(["scenario", field("Scenario", this.scenario)], ["arch", field("Architecture", this.arch)]);
    this.knobs = {};
    for (const knob of found.knobs) {
      const control = knob.choices
        ? menu(knob.choices, knob.default, () => this.enable())
        : number(knob.default, knob.lo, knob.hi);
      this.knobs[knob.name] = control;
      fields.push([knob.name, field(WORDS[knob.name] ?? knob.name, control, knob.help)]);
    }
    const form = folded(fields, FIRST, "How they train, divide, sum and guard");
    this.go = button("Train", () => this.start(), "wb-button wb-primary");
    this.stop = button("Stop", () =>
      send(`/wb/runs/${this.run}/commands`, "POST", {do: "stop"}).catch(e => say(this.said, e.message)),
    );
    this.pause = button("Pause", () => this.hold());
    this.stop.hidden = this.pause.hidden = true;
    this.said = make("p", "wb-fed-state");
    this.said.setAttribute("role", "status");
    const bar = make("div", "wb-fed-bar");
    bar.append(this.go, this.pause, this.stop, this.said);
    this.plot = make("div", "wb-fed-plot");
    this.refused = make("ul", "wb-fed-refused");
    box.append(title, note, form, bar, this.plot, this.refused);
    this.enable();
    setInterval(() => this.run && visible(box) && this.look().catch(() => {}), LOOK_MS);
  }

  enable() {
    this.knobs.alpha.disabled = this.knobs.split.value !== "dirichlet";
    this.knobs.noise.disabled = this.knobs.bound.disabled = this.knobs.privacy.value === "none";
  }

  async hold() {
    const what = this.paused ? "resume" : "pause";
    await send(`/wb/runs/${this.run}/commands`, "POST", {do: what}).catch(e => say(this.said, e.message));
  }

  async start() {
    const knobs = Object.fromEntries(Object.entries(this.knobs).map(([name, control]) => [name, control.value]));
    this.go.disabled = true;
    try {
      const asked = {scenario: this.scenario.value, arch: this.arch.value, knobs};
      const {id, bytes} = await send("/wb/federated/train", "POST", asked);
      Object.assign(this, {run: id, asked});
      say(this.said, `Queued; its rounds take ${Math.ceil(bytes / 1e6)} MB of disk.`);
      await this.look();
    } catch (error) {
      say(this.said, error.message);
    } finally {
      this.go.disabled = false;
    }
  }

  async look() {
    const query = new URLSearchParams({scenario: this.asked.scenario, arch: this.asked.arch, run: this.run});
    const row = await (await ask(`/wb/federated/training?${query}`)).json();
    this.paused = row.state === "paused";
    this.stop.hidden = this.pause.hidden = row.ended || row.state === "queued";
    say(this.pause, this.paused ? "Go on" : "Pause");
    const {step = 0, total = row.found.rounds, left} = row.progress;
    const wait = left ? `, about ${Math.ceil(left)} s left` : "";
    say(
      this.said,
      row.state === "failed" ? row.reason : `${row.state}, round ${step} of ${total}${row.ended ? "" : wait}`,
    );
    this.show(row.found);
    if (row.found.done !== this.done || row.ended) this.changed(row.found);
    this.done = row.found.done;
    if (row.ended) this.run = null;
  }

  show(found) {
    if (!found.cards.length) return;
    this.plot.replaceChildren(
      chart(found),
      make("p", "wb-note", "Held-out accuracy: global model in colour, what participants sent in grey."),
      ...[spent(found.cards), costs(found.cards)].filter(Boolean).map(said => make("p", "wb-note", said)),
    );
    this.refused.replaceChildren(
      ...refusals(found.cards)
        .slice(-6)
        .map(said => make("li", null, said)),
    );
  }
}

const FIRST = ["scenario", "arch", "participants", "rounds", "protocol"];
const WORDS = {
  participants: "Participants",
  split: "Images divided",
  alpha: "Dirichlet α",
  rounds: "Rounds",
  epochs: "Local epochs",
  participation: "Participation",
  protocol: "Summed by",
  privacy: "Privacy of",
  noise: "Noise multiplier",
  bound: "Clipping bound",
  dropped: "Drop out",
  fault: "Participant 0",
};
