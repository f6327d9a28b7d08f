// The few lines that every part needs to make elements and to ask the server.

export const $ = (root, selector) => root.querySelector(selector);

export function make(tag, cls, text) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  if (text != null) element.textContent = text;
  return element;
}

export function button(text, act, cls = "wb-button") {
  const element = make("button", cls, text);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

/** Makes a card that begins something: {title, why, note}. */
export function beginning({title, why, note = ""}, act) {
  const card = button("", act, "wb-begin");
  card.append(make("strong", null, title), make("span", null, why));
  if (note) card.append(make("em", null, note));
  return card;
}

/** Makes a menu of [key, text] pairs. */
export function menu(choices, chosen, act) {
  const select = make("select", "wb-input");
  select.append(...choices.map(([key, text]) => new Option(text, key)));
  select.value = chosen;
  select.addEventListener("change", () => act(select.value));
  return select;
}

/** Sets an element's text only where it is another; what is set anew is read out anew. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** As `say`, with what stands before the brackets in bold. */
export function sayBold(element, text) {
  if (element.textContent === text) return;
  const [bold, ...rest] = text.split(" (");
  element.replaceChildren(make("b", "", bold), rest.length ? ` (${rest.join(" (")}` : "");
}

export function describe(element, label) {
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
}

export function canvas([width, height], label) {
  const element = make("canvas");
  element.width = width;
  element.height = height;
  if (label) describe(element, label);
  return element;
}

export const visible = element => element.isConnected && element.offsetParent !== null && !document.hidden;

/** True where the person asked the system for less motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** How much larger than usual the page's type is. */
export const typeScale = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;

/** Runs one request at a time; of those made meanwhile only the newest is kept. */
export function newest(work) {
  let busy = false;
  let next = null;
  const go = async what => {
    if (busy) {
      next = {what};
      return;
    }
    busy = true;
    try {
      await work(what);
    } finally {
      busy = false;
      if (next) {
        const later = next.what;
        next = null;
        go(later);
      }
    }
  };
  return go;
}

/** Fetches; throws an Error with the server's own words where it refuses. */
export async function ask(url) {
  const answer = await fetch(url);
  if (answer.ok) return answer;
  let said = `The server answered ${answer.status}.`;
  try {
    said = (await answer.json()).error || said;
  } catch {
    // no JSON: the number has to do
  }
  throw new Error(said);
}

/** Reads or keeps a value of this browser tab; without storage, as in some private windows, nothing is kept. */
export function session(key, value) {
  try {
    if (value != null) sessionStorage.setItem(key, value);
    return sessionStorage.getItem(key);
  } catch {
    return value;
  }
}
