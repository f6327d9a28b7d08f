// One trial on the page: the question, the pictures in their places, and what may be pressed.

const WORDS = {yes: "Same", no: "Different", left: "Left", right: "Right", 0: "None of these"};
const REAL = {1: "1 – not at all", 2: "2", 3: "3", 4: "4", 5: "5 – a photograph"};
const KEYS = {yes: "y", no: "n", left: "←", right: "→"};

function make(tag, cls, text) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  if (text != null) element.textContent = text;
  return element;
}

/** What a choice is called in a task, and the key that chooses it. Pure. */
export function called(task, choice, noun) {
  if (task === "real") return [REAL[choice] ?? choice, ""];
  if (task === "same") return [`${WORDS[choice]} ${noun}`, KEYS[choice]];
  return [WORDS[choice] ?? choice, KEYS[choice] ?? (task === "line-up" && choice === "0" ? "0" : "")];
}

function choose(text, key, act, cls = "choice") {
  const element = make("button", cls, text);
  element.type = "button";
  if (key) element.append(make("kbd", null, key));
  element.addEventListener("click", act);
  return element;
}

function framed(image, alt, letter) {
  image.alt = alt;
  const figure = make("figure");
  if (letter) figure.append(make("figcaption", null, letter));
  figure.append(image);
  return figure;
}

/** A picture that is pressed to choose it. */
function pressable(image, alt, text, act) {
  const element = choose("", "", act, "picture");
  image.alt = alt;
  element.append(image, make("span", null, text));
  return element;
}

function setOf(images, letter, alt) {
  const set = make("figure", "set");
  const grid = make("div", "grid");
  for (const image of images) {
    image.alt = alt;
    grid.append(image);
  }
  set.append(make("figcaption", null, letter), grid);
  return set;
}

const LAYOUTS = {
  same({asked, beside, right}) {
    const stage = make("div", right ? "stage turned" : "stage");
    stage.append(framed(asked[0], "Picture A", "A"), setOf(beside, "B", "One of set B"));
    return [stage, []];
  },
  "line-up"({asked, beside, answer}) {
    const stage = make("div", "stage over");
    const people = make("div", "people");
    const buttons = beside.map((image, i) =>
      pressable(image, `Number ${i + 1}`, String(i + 1), () => answer(String(i + 1))),
    );
    people.append(...buttons);
    stage.append(framed(asked[0], "Picture A", "A"), people);
    return [stage, buttons];
  },
  closer({asked, beside, answer}) {
    const stage = make("div", "stage over");
    const two = make("div", "two");
    const sides = ["left", "right"];
    const buttons = asked.map((image, i) =>
      pressable(image, `The ${sides[i]} picture`, ["← Left", "Right →"][i], () => answer(sides[i])),
    );
    two.append(...buttons);
    stage.append(setOf(beside, "B", "One of set B"), two);
    return [stage, buttons];
  },
  real({asked}) {
    const stage = make("div", "stage alone");
    stage.append(framed(asked[0], "The picture"));
    return [stage, []];
  },
};

/** Draws a trial into `main`; returns its buttons. `answer` is called with what is pressed. */
export function draw(main, {task, question, noun}, data, images, answer) {
  const asked = images.slice(0, data.asked);
  const beside = images.slice(data.asked);
  const [stage, pressed] = LAYOUTS[task]({asked, beside, answer, right: data.right});
  const row = make("div", "choices");
  const left = pressed.length ? data.choices.filter(choice => choice === "0") : data.choices;
  const buttons = left.map(choice => choose(...called(task, choice, noun), () => answer(choice)));
  const skip = choose("Cannot tell", "s", () => answer("skip"), "choice soft");
  row.append(...buttons, skip);
  main.replaceChildren(make("h1", null, question), stage, row);
  main.dataset.trial = data.index;
  return [...pressed, ...buttons, skip];
}
