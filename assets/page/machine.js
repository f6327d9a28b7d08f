// The line that says what the machine is doing.

import {make} from "../dom.js";
import {onState, page, setQueue} from "../state.js";

const LOOK_MS = 3000;

let stored = null; // the stamp of the server's runs as it was told last

/** What the worker does, and on what; the latter is left out where the line is short. Pure. */
export function described({worker, reason, running, queued, device, threads}) {
  const ready = running ? "running" : "ready";
  const state = worker === "ready" ? ready : worker;
  const cpu = `CPU, ${threads} thread${threads === 1 ? "" : "s"}`;
  const name = device?.type === "cpu" ? cpu : device?.name;
  const waiting = queued.length ? `, ${queued.length} waiting` : "";
  const why = worker !== "ready" && reason ? ` (${reason})` : "";
  return {state, device: name ? `${name} · ` : "", text: `${state}${why}${waiting}`};
}

async function look() {
  const line = document.getElementById("wb-device");
  if (!line || document.hidden) return;
  let said = {state: "lost", device: "", text: "The server does not answer"};
  try {
    const status = await (await fetch("/wb/status")).json();
    said = described(status);
    setQueue(status);
    // A run that has ended may have been judged, renamed or deleted since.
    if (stored !== null && stored !== status.stored) page.view?.lookAgain();
    stored = status.stored;
  } catch {
    // it stays as said above
  }
  line.replaceChildren(make("span", null, said.device), said.text);
  line.title = said.device + said.text;
  line.dataset.state = said.state;
}

export function watchMachine() {
  look();
  setInterval(look, LOOK_MS);
  onState(look);
}
