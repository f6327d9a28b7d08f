// The entry to the live view: what Gradio calls once its element is there.

import {$} from "../dom.js";
import {plotly} from "../plotting.js";
import {page} from "../state.js";
import {View} from "./view.js";

/** element, props, trigger, watch: as Gradio gives them to an HTML component's `js_on_load`. */
export function live(element, props, trigger, watch) {
  const ask = what => trigger(what.do === "fork" ? "submit" : "select", what);
  page.view = new View($(element, ".wb-live"), ask);
  watch("value", () => page.view.show(props.value));
  page.view.show(props.value);
  plotly();
}
