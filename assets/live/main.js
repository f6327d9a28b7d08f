// The entry to the live view: what Gradio calls once its element is there, and when another run is to be shown.

import {$} from "../dom.js";
import {plotly} from "../plotting.js";
import {onCards, page} from "../state.js";
import {View} from "./view.js";

const STARTERS = "#run-button, .wb-preset, [data-act=fork], [data-testid=instead]"; // what starts a run when it is pressed

let early = null; // a run that was to be shown before the view was there

const LATEST_MS = 3000;

/** Calls `act` once the page has nothing else to do. */
const rested = act =>
  window.requestIdleCallback ? requestIdleCallback(act, {timeout: LATEST_MS}) : setTimeout(act, 200);

/** element, props, trigger: as Gradio gives them to an HTML component's `js_on_load`. */
export function live(element, props, trigger) {
  const root = $(element, ".wb-live");
  const view = new View(root, {
    fork: from => trigger("submit", {do: "fork", ...from}),
    opened: run => trigger("select", {do: "opened", run}),
    ended: run => trigger("end", {run}),
  });
  page.view = view;
  // After the press itself, so that a fork still knows the frame that was shown.
  document.addEventListener("click", event => {
    const pressed = event.target.closest(STARTERS);
    if (!pressed) return;
    page.preset = pressed.dataset.key ?? null;
    view.expect();
  });
  view.show(early ?? new URL(location.href).searchParams.get("run") ?? "");
  root.dataset.ready = "";
  plotly();
  onCards(() => rested(() => (page.lesson?.open ? page.lesson.show(page.lesson.step) : view.example.wantFirst())));
}

/** Shows a run; called by the page's event on the hidden field that holds its id. */
export function follow(run) {
  if (!run) return;
  if (page.view) page.view.show(run);
  else early = run;
}
