// Messages that a person must see wherever they look.

import {button, make} from "../dom.js";

const SHOWN_MS = 12000;
const MOST = 2; // at once; what came before them has been read or won't be

function box() {
  const there = document.getElementById("wb-told");
  if (there) return there;
  const made = make("div");
  made.id = "wb-told";
  made.setAttribute("role", "alert");
  document.body.append(made);
  return made;
}

/** Shows a message for a while; the same once more takes the place of the one before. */
export function tell(title, text) {
  const where = box();
  for (const old of where.children) if (old.dataset.text === text) old.remove();
  const note = make("div");
  note.dataset.text = text;
  note.dataset.testid = "told";
  const close = button("×", () => note.remove(), "");
  close.setAttribute("aria-label", "Close");
  note.append(make("b", null, title), close, make("p", null, text));
  where.append(note);
  while (where.children.length > MOST) where.firstChild.remove();
  setTimeout(() => note.remove(), SHOWN_MS);
}
