// The Federated tab: train among participants, choose who looks on, invert an update or a round.

import {ask, button, make} from "../dom.js";
import {costTable} from "./costs.js";
import {diagram} from "./diagram.js";
import {Rounds} from "./rounds.js";
import {Training} from "./training.js";
import {Update} from "./update.js";

class Desk {
  constructor(box, found) {
    this.found = found;
    this.actor = "server";
    const section = () => {
      const part = make("section", "wb-card-text");
      box.append(part);
      return part;
    };
    // What can be watched at once comes first; training takes minutes, and rounds come of it.
    const updateBox = section();
    const who = section();
    const trainingBox = section();
    const roundsBox = section();
    const costsBox = section();
    costsBox.append(make("h2", null, "What protocols cost and hide"), costTable(found.costs));
    who.append(make("h2", null, "Who looks on"));
    this.choices = make("div", "wb-fed-actors");
    this.choices.setAttribute("role", "group");
    this.choices.setAttribute("aria-label", "Who looks on");
    for (const [key, actor] of Object.entries(found.actors)) {
      const choice = button(actor.title, () => this.choose(key), "wb-fed-actor");
      choice.dataset.actor = key;
      this.choices.append(choice);
    }
    this.text = make("p", "wb-note");
    this.picture = make("div");
    who.append(this.choices, this.text, this.picture);
    const actorOf = () => this.actor;
    this.update = new Update(updateBox, found, actorOf, key => this.choose(key));
    this.rounds = new Rounds(roundsBox, found, actorOf);
    this.training = new Training(trainingBox, found, changed => this.changed(changed));
    if (found.trainings.length) this.training.show(found.trainings[0]);
    this.choose(this.actor);
  }

  choose(key) {
    this.actor = key;
    for (const choice of this.choices.children)
      choice.setAttribute("aria-pressed", String(choice.dataset.actor === key));
    const actor = this.found.actors[key];
    this.text.textContent = actor.text;
    this.picture.replaceChildren(diagram(key, actor));
    const {participants} = this.update.controls;
    if (key === "server") participants.value = 1;
    else if (Number(participants.value) < 2) participants.value = 2;
    this.update.check();
  }

  changed(training) {
    this.rounds.changed(training);
    this.found.trainings = this.rounds.trainings;
    this.update.targets();
  }
}

export async function desk(element) {
  const box = element.querySelector(".wb-federated");
  try {
    const found = await (await ask("/wb/federated")).json();
    box.replaceChildren();
    return new Desk(box, found);
  } catch (error) {
    box.replaceChildren(make("p", "wb-note", error.message));
    return null;
  }
}
