// Settings from a file: a picture or a record that a run left behind, chosen or dropped on Invert.

import {$, button, make, say} from "../dom.js";

const MOST_BYTES = 8 * 2 ** 20;

/** Asks the server what settings are in a file; throws an Error with its words where there are none. */
export async function settingsIn(file, send = fetch) {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} is larger than 8 MB; no record of settings is.`);
  const answer = await send("/wb/restore", {
    method: "POST",
    body: file,
    headers: {"Content-Type": "application/octet-stream"},
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error || `The server answered ${answer.status}.`);
  return said.config;
}

const holdsFiles = event => [...(event.dataTransfer?.types ?? [])].includes("Files");

class Restore {
  constructor(box, trigger) {
    this.trigger = trigger;
    this.input = make("input");
    Object.assign(this.input, {type: "file", accept: ".png,.json,image/png,application/json", hidden: true});
    this.input.setAttribute("aria-label", "File with settings");
    this.input.addEventListener("change", () => {
      this.take(this.input.files[0]);
      this.input.value = ""; // the same file may be chosen again
    });
    this.words = make("p", "wb-note");
    this.words.setAttribute("role", "status");
    const open = button("Open settings …", () => this.input.click(), "wb-plain");
    open.title = "A sheet (PNG) or a record (JSON) of a run. It can be dropped here as well.";
    box.append(open, this.input, this.words);
  }

  async take(file) {
    if (!file) return;
    say(this.words, `Reading ${file.name} …`);
    try {
      this.trigger("select", {config: await settingsIn(file)});
      say(this.words, `From ${file.name}.`);
    } catch (error) {
      say(this.words, error.message);
    }
  }

  /** Takes what is dropped anywhere on an element. */
  listenTo(target) {
    const mark = on => target.classList.toggle("wb-dropping", on);
    target.addEventListener("dragover", event => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      mark(true);
    });
    target.addEventListener("dragleave", event => {
      if (!target.contains(event.relatedTarget)) mark(false);
    });
    target.addEventListener("drop", event => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      mark(false);
      this.take(event.dataTransfer.files[0]);
    });
  }
}

/** value: nothing. */
export function restore(element, props, trigger) {
  const part = new Restore($(element, ".wb-restore"), trigger);
  part.listenTo(document.getElementById("invert") ?? element);
}
