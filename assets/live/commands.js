// What a person asks of a run that goes, straight to the server.

import {tell} from "../page/toasts.js";

/** what: {do: "pause" | "resume" | "step" | "stop"} or {do: "set", values: {knob: value}}. */
export async function command(run, what) {
  try {
    const answer = await fetch(`/wb/runs/${encodeURIComponent(run)}/commands`, {
      method: "POST",
      headers: {"Content-Type": "application/json"},
      body: JSON.stringify(what),
      priority: "high",
    });
    if (answer.ok) return;
    const {error} = await answer.json();
    tell("Not possible", error ?? `The server answered ${answer.status}.`);
  } catch {
    tell("Not done", "The server does not answer.");
  }
}
