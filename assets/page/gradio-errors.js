// Shows what an event that does not queue was refused with.
//
// Gradio shows the message of a `gr.Error` only for events that go through its queue. Ours mostly don't, so that they
// answer at once; they end in an answer 500 of /gradio_api/run/…, whose text Gradio's own page drops. Its client calls
// `window.fetch` and offers no place to hear of answers, so the function is replaced for the whole page. The
// replacement hands through every call and every answer as it is, and only reads a copy of those answers.

const EVENTS = "/gradio_api/run/";

const addressOf = what => String(what?.url ?? what);

/** Returns a function like `fetch` that also calls `tell(title, text)` with what an event was refused with. */
export function telling(fetch, tell) {
  return async (...what) => {
    const answer = await fetch(...what);
    if (answer.status === 500 && addressOf(what[0]).includes(EVENTS))
      answer
        .clone()
        .json()
        .then(found => {
          if (found.error && found.visible !== false) tell(found.title || "Error", found.error);
        })
        .catch(() => {}); // not Gradio's own answer: there is nothing to tell
    return answer;
  };
}

export function listenToErrors(tell) {
  window.fetch = telling(window.fetch.bind(window), tell);
}
