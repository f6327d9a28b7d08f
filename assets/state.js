// What the parts of the page know of one another. It lives here alone: no part reads another's elements.
//
// The same is written to `html[data-run]`, for style sheets only; scripts read it here.

const ACTIVE = ["running", "paused", "queued"];
const listeners = new Set();
const queueListeners = new Set();
const cardListeners = new Set();

/** The page: the live view once it is there, the state of the run it shows, that run's attack, and the queue. */
export const page = {
  queue: {running: null, queued: [], mine: false},
  view: null,
  state: "none",
  attack: null,
  preset: null, // the card that started what is shown
  example: null, // the card whose recorded example is shown
  cards: [], // {key, title, problem, example, lesson, start}: see forms/cards.js
  lesson: null, // the guided lesson once it is there

  /** The attack of the run that is shown while it waits or goes on, else null. */
  get busyWith() {
    return ACTIVE.includes(this.state) ? this.attack : null;
  },
};

/** Says that the run shown is in another state; whoever asked to be told is told. */
export function setState(state, attack) {
  Object.assign(page, {state, attack});
  document.documentElement.dataset.run = state;
  listeners.forEach(tell => tell(page));
}

/** Says which card's recorded example is shown, null for none. */
export function setExample(card) {
  if (card === page.example) return;
  page.example = card;
  listeners.forEach(tell => tell(page));
}

/** Calls `tell` with the page each time the state changes. */
export function onState(tell) {
  listeners.add(tell);
}

/** Says what runs and what waits on the server, and whether what runs is for this browser to change. */
export function setQueue({running, queued, mine}) {
  page.queue = {running, queued, mine};
  queueListeners.forEach(tell => tell(page.queue));
}

/** Calls `tell` with the queue each time the server has been asked for it. */
export function onQueue(tell) {
  queueListeners.add(tell);
}

/** Says which cards there are. */
export function setCards(cards) {
  page.cards = cards;
  cardListeners.forEach(tell => tell(cards));
}

/** Calls `tell` with the cards once they are there. */
export function onCards(tell) {
  cardListeners.add(tell);
  if (page.cards.length) tell(page.cards);
}
