// The Attributes tab: a form, one record's posterior as it fills in query by query, figures, and what privacy costs.

import {$, ask, make, visible} from "../dom.js";
import {send} from "../study/requests.js";
import {cards} from "./cards.js";
import {Figures} from "./figures.js";
import {Form} from "./form.js";
import {Posterior} from "./posterior.js";
import {Privacy} from "./privacy.js";

const ENDED = ["finished", "stopped", "failed", "damaged"];
const AGAIN = 400; // ms between questions about a run that goes on
let tab = null;
let wanted = ""; // a run to show once the tab is there

/** Shows a recorded inference. */
export function show(run) {
  wanted = run;
  tab?.follow(run);
}

class Attributes {
  constructor(box) {
    this.form = new Form(
      asked => this.start(asked),
      said => this.chosen(said),
      epsilon => this.privacy.at(epsilon),
    );
    this.posterior = new Posterior();
    this.figures = new Figures();
    this.privacy = new Privacy();
    this.said = make("p", "wb-note");
    this.said.setAttribute("role", "status");
    const out = make("div", "wb-attr-out");
    this.cards = make("div");
    out.append(this.cards, this.said, this.posterior.box, this.figures.box, this.privacy.box);
    box.replaceChildren(this.form.box, out);
    this.tell("Press a card, or Run: one record's posterior then fills in here, query by query.");
    this.form.load("");
  }

  tell(text) {
    this.said.textContent = text;
    this.said.hidden = !text;
  }

  chosen(options) {
    if (!this.cards.firstChild) {
      const keys = options.scenarios.map(each => each.key);
      this.cards.replaceChildren(cards(keys, set => this.form.begin(set)));
    }
    this.privacy.show(options.dosing ? this.form.sensitive : null);
  }

  async start(asked) {
    try {
      const {run} = await send("/wb/attributes/runs", "POST", asked);
      await this.follow(run);
    } catch (error) {
      this.tell(error.message);
    }
  }

  async follow(run) {
    this.run = run;
    try {
      for (;;) {
        const found = await (await ask(`/wb/attributes/runs/${run}.json`)).json();
        if (this.run !== run) return;
        this.draw(found);
        if (ENDED.includes(found.state)) return;
        await new Promise(done => setTimeout(done, AGAIN));
        while (!visible(this.form.box)) await new Promise(done => setTimeout(done, AGAIN));
      }
    } catch (error) {
      if (this.run === run) this.tell(error.message);
    }
  }

  draw(found) {
    const waits = found.position
      ? `Waits: place ${found.position} in the queue.`
      : "Training the target and asking it …";
    if (!ENDED.includes(found.state)) this.tell(found.frames.length ? "Asking …" : waits);
    else this.tell(found.state === "finished" ? "" : found.reason || found.state);
    if (found.scene.values) this.posterior.show(found);
    if (found.judgement) this.figures.show(found);
  }
}

export function attributes(element) {
  const box = $(element, ".wb-attributes");
  tab = new Attributes(box);
  if (wanted) tab.follow(wanted);
}
