// Follows a run: asks the server again and again what is new. Each question ends soon, so that no tab holds a
// connection, of which a browser has six for all its tabs.

import {ended} from "./words.js";

const WAIT_S = 0.2; // that the server waits for news before it says that there are none
const SOONEST_MS = 60; // between questions while there are news
const RESTING_MS = 400; // at most, while there are none
const HIDDEN_MS = 1000; // in a tab that isn't seen
const MORE = "more-"; // so begins what a page has that has not got all of it yet
const LOST_MS = 1000; // after a question that was not answered

/** How long to rest before the next question; once a run has ended, until somebody says that it may have changed. Pure. */
export function rest({news, quiet, hidden, lost, over}) {
  if (lost) return LOST_MS;
  if (over) return Infinity;
  if (hidden) return HIDDEN_MS;
  return news ? SOONEST_MS : Math.min(RESTING_MS, SOONEST_MS * quiet);
}

export class Follower {
  /**
   * take: called with each message; gone: called with (run, why) where there is no such run, or no longer.
   * fetch and sleep stand in for the browser's in tests; sleep(ms) ends early when `wake` is called.
   */
  constructor({take, gone, fetch = (...what) => window.fetch(...what), hidden = () => document.hidden}) {
    Object.assign(this, {take, gone, fetch, hidden, turn: 0, wake: () => {}});
  }

  /** Follows another run; "" follows none. */
  async follow(run) {
    const turn = ++this.turn;
    this.wake();
    let seen = "";
    let quiet = 0;
    let over = false;
    while (run && turn === this.turn) {
      const found = await this.look(run, seen);
      if (turn !== this.turn) return;
      if (found.gone) {
        this.gone(run, found.gone);
        return;
      }
      quiet = found.message ? 0 : quiet + 1;
      if (found.message) {
        ({seen} = found.message);
        over = ended(found.message.status.state) && !seen.startsWith(MORE);
        this.take(found.message);
      }
      const {lost} = found;
      await this.sleep(rest({news: Boolean(found.message), quiet, hidden: this.hidden(), lost, over}));
    }
  }

  /** Asks once. Returns {message}, {gone: why}, {lost: true}, or {} where nothing is new. */
  async look(run, seen) {
    const query = new URLSearchParams({seen, wait: this.hidden() ? 0 : WAIT_S});
    try {
      const answer = await this.fetch(`/wb/runs/${encodeURIComponent(run)}/news?${query}`);
      if (answer.status === 204) return {};
      if (answer.ok) return {message: await answer.json()};
      if (answer.status === 404) return {gone: (await answer.json()).error ?? "There is no such run."};
      return {lost: true};
    } catch {
      return {lost: true};
    }
  }

  sleep(ms) {
    return new Promise(resolve => {
      this.wake = resolve;
      if (ms < Infinity) setTimeout(resolve, ms);
    });
  }
}
