// Plotly, which is large and comes when it is first needed, and the looks that all plots share.

import {typeScale} from "./dom.js";

// Ten colours that stay apart for colour-blind readers, on white and on black (after Okabe-Ito and Tol).
export const PALETTE = [
  "#0077bb",
  "#e07b00",
  "#009e73",
  "#cc3366",
  "#8a6fd1",
  "#a6761d",
  "#33a8c7",
  "#d95f5f",
  "#7a9a01",
  "#8c8c8c",
];

export const CLEAR = "rgba(0,0,0,0)";
export const CONFIG = {displayModeBar: false, displaylogo: false, responsive: false, doubleClick: "reset"};

let loading = null;

/** Returns Plotly once it is there. */
export function plotly() {
  loading ||= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/wb/plotly.min.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("The plots could not be loaded."));
    document.head.appendChild(script);
  });
  return loading;
}

/** Plotly where it is there already, else null. */
export const plotlyNow = () => window.Plotly ?? null;

/** The size of a plot's text in pixels, as large as the page's type. */
export const textSize = () => Math.round(14 * typeScale());

/** The page's colours, as its theme has them now. */
export function ink() {
  const css = getComputedStyle(document.body);
  const get = name => css.getPropertyValue(`--wb-${name}`).trim();
  return {
    text: get("ink"),
    quiet: get("quiet"),
    grid: get("line"),
    paper: get("paper"),
    cloud: get("cloud"),
    accent: get("accent"),
    family: css.fontFamily,
  };
}

/** What every layout begins with. */
export function baseLayout(colours) {
  return {
    paper_bgcolor: CLEAR,
    plot_bgcolor: CLEAR,
    font: {size: textSize(), color: colours.quiet, family: colours.family},
    hoverlabel: {bgcolor: colours.paper, font: {color: colours.text}},
  };
}

/** Whether a plot fits into its box: one that is folded away, or squeezed, has no place for its axes. */
export const hasRoom = box => box.clientWidth > 120 && box.clientHeight > 120;

export function canDraw3d() {
  try {
    const probe = document.createElement("canvas");
    return Boolean(probe.getContext("webgl2") || probe.getContext("webgl"));
  } catch {
    return false;
  }
}
