// Arrow keys between the tabs, as a tab bar is expected to know them.

import {moved} from "../forms/roving.js";

const bar = element => element?.closest?.("#tabs [role=tablist]");

/** Turns to the tab that an arrow, Home or End leads to. */
export function listenToTabs() {
  document.addEventListener("keydown", event => {
    const tab = event.target.closest?.("[role=tab]");
    if (!tab || !bar(tab) || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    const tabs = [...bar(tab).querySelectorAll("[role=tab]")].filter(each => each.offsetParent !== null);
    const next = tabs[moved(event.key, tabs.indexOf(tab), tabs.length, tabs.length)];
    event.preventDefault();
    next.focus();
    next.click();
  });
}

/** Keeps the chosen tab in view where the line of tabs scrolls, whoever chose it. */
export function showChosenTab() {
  const line = document.querySelector("#tabs [role=tablist]");
  const chosen = () => line.querySelector("[aria-selected=true]");
  const show = () => chosen()?.scrollIntoView({inline: "nearest", block: "nearest"});
  new MutationObserver(show).observe(line, {subtree: true, attributeFilter: ["aria-selected"]});
}
