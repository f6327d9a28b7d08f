// What the tab begins with: an inference each, started by one press.

import {beginning, make} from "../dom.js";

export const CARDS = [
  {
    title: "A dose gives away a genotype",
    why: "A clinic's model of doses is asked once for each genotype that a patient may have. Which one does the true dose fit?",
    set: {scenario: "warfarin", target: "linear", attack: "map", epsilon: null},
  },
  {
    title: "The same, trained with privacy",
    why: "Noise in the training, ε = 1: the figures below tell what is left of the leak, and of the doses.",
    set: {scenario: "warfarin", target: "linear", attack: "map", epsilon: 1},
  },
  {
    title: "A label is enough",
    why: "Only the answer is told, without confidences: how people like their steak, against what else they said of themselves.",
    set: {scenario: "fivethirtyeight", target: "tree", attack: "lomia", epsilon: null},
  },
  {
    title: "The surest answer wins",
    why: "Confidences are told too: the value with which the target is right, and surest of it.",
    set: {scenario: "fivethirtyeight", target: "tree", attack: "csmia", epsilon: null},
  },
];

/** The cards whose table is there. Pure. */
export const offered = keys => CARDS.filter(card => keys.includes(card.set.scenario));

/** Draws them; `begin` is given what a card sets. */
export function cards(keys, begin) {
  const box = make("div", "wb-begins");
  box.append(...offered(keys).map(card => beginning(card, () => begin(card.set))));
  return box;
}
