// The page of a rater: consent, one trial after the other, thanks. What is asked comes from the server, one trial ahead.

import {answerOf} from "./keys.js";
import {draw} from "./trial.js";

const base = location.pathname.replace(/\/+$/, "");
const AGAIN_MS = 2000; // between tries where the server cannot be reached
const at = id => document.getElementById(id);
const main = at("main");

let state = null; // what the server said last
let trial = null; // the trial on the page: {data, shown, ready}
let busy = false;

function make(tag, cls, text) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  if (text != null) element.textContent = text;
  return element;
}

function button(text, act, cls) {
  const element = make("button", cls, text);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

const say = text => {
  at("said").textContent = text;
};

/** Asks the server; throws an Error with its own words where it refuses, one marked `away` where it can't be reached. */
async function ask(path, body) {
  const how = body && {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  let answer;
  try {
    answer = await fetch(base + path, {cache: "no-store", ...how});
  } catch {
    throw Object.assign(new Error("No connection. Trying again; your answer is not lost."), {away: true});
  }
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  const away = answer.status >= 500;
  throw Object.assign(new Error(found.error || `The server answered ${answer.status}.`), {away});
}

/** Asks until the server can be reached: the same answer twice is one answer. */
async function persist(path, body) {
  for (;;) {
    try {
      const found = await ask(path, body);
      say("");
      return found;
    } catch (error) {
      say(error.message);
      if (!error.away) throw error;
      await new Promise(resolve => setTimeout(resolve, AGAIN_MS));
    }
  }
}

const address = (index, slot) => `${base}/pictures/${index}/${slot}.png?${state.mark}`;

/** A trial's pictures, loaded: those asked about, then those beside them. */
function load(data) {
  const images = Array.from({length: data.asked + data.beside}, (_, slot) => {
    const image = new Image();
    image.src = address(data.index, slot);
    image.alt = "";
    return image;
  });
  return Promise.all(images.map(image => image.decode().then(() => image)));
}

const ahead = new Map(); // pictures of the next trial, by its index

function loaded(data) {
  const key = data.index;
  if (!ahead.has(key)) ahead.set(key, load(data));
  return ahead.get(key);
}

async function show(found) {
  state = {...state, ...found};
  const {done, of, ended} = state;
  at("undo").hidden = !state.joined || done === 0 || ended;
  at("progress").hidden = !state.joined;
  at("progress").max = of || 1;
  at("progress").value = done || 0;
  at("count").textContent = state.joined ? `${done} of ${of}` : "";
  document.body.dataset.task = state.task;
  if (ended) return finish("This study has ended", "It takes no more answers. Thank you for coming.");
  if (!state.joined) return welcome();
  if (!state.trial) return finish("That was all", "Thank you: your answers are kept.");
  return pose(state.trial);
}

async function pose(data) {
  trial = null;
  let images;
  try {
    images = await loaded(data);
  } catch {
    ahead.delete(data.index);
    say("The pictures could not be loaded. Trying again.");
    setTimeout(() => state.trial === data && pose(data), AGAIN_MS);
    return;
  }
  if (state.trial !== data) return;
  say("");
  const buttons = draw(main, state, data, images, answer);
  trial = {data, shown: performance.now(), ready: false};
  const mine = trial;
  for (const each of buttons) each.disabled = true;
  setTimeout(() => {
    mine.ready = true;
    for (const each of buttons) each.disabled = false;
  }, state.least_ms);
  for (const key of ahead.keys()) if (key !== data.index) ahead.delete(key);
  if (state.next) loaded(state.next).catch(() => ahead.delete(state.next.index));
}

/** Goes on where the server says this rater is, as after an answer in another tab, and tells why. */
async function recover(error) {
  try {
    await show(await persist("/state"));
  } catch {
    // the study is gone: what was said stands
  }
  say(error.message);
}

async function answer(pressed) {
  if (busy || !trial?.ready) return;
  const rt = Math.round(performance.now() - trial.shown);
  busy = true;
  main.dataset.busy = "";
  try {
    await show(await persist("/answers", {trial: trial.data.index, pressed, rt}));
  } catch (error) {
    await recover(error);
  } finally {
    busy = false;
    delete main.dataset.busy;
  }
}

async function undo() {
  if (busy || !state?.joined || !state.done) return;
  busy = true;
  try {
    await show(await persist("/undo", {}));
  } catch (error) {
    await recover(error);
  } finally {
    busy = false;
  }
}

function welcome() {
  const box = make("section", "text");
  const start = button(
    "Start",
    async () => {
      start.disabled = true;
      try {
        await show(await persist("/join", {}));
      } catch {
        start.disabled = false;
      }
    },
    "choice",
  );
  box.append(
    make("h1", null, "Help to judge some pictures"),
    make("p", null, `You will be asked about ${state.length} times: ${state.question}`),
    make(
      "p",
      null,
      [
        "Some pictures are photographs, some were made by a program. Answer what you see; nobody expects you to be sure.",
        "You may press Cannot tell, go back one, and stop whenever you like.",
      ].join(" "),
    ),
    make(
      "p",
      null,
      "Kept are a random number in place of a name, what you press and how long you look. By starting you agree to that.",
    ),
    start,
  );
  main.replaceChildren(box);
  start.focus();
}

function finish(title, text) {
  trial = null;
  const box = make("section", "text");
  box.append(make("h1", null, title), make("p", null, text));
  if (state.rater)
    box.append(
      make(
        "p",
        null,
        `Your answers are kept under ${state.rater}. Name it to whoever runs the study to have them deleted.`,
      ),
    );
  main.replaceChildren(box);
}

at("undo").addEventListener("click", undo);
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !trial) return;
  const what = answerOf(event.key, trial.data.choices);
  if (!what) return;
  event.preventDefault();
  if (what === "undo") undo();
  else answer(what);
});
persist("/state")
  .then(show)
  .catch(() => main.replaceChildren());
