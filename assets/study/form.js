// What a new study is to be: the question, the runs, how long it takes.

import {button, make, menu} from "../dom.js";

const SECONDS = 4; // that a person takes for a question, about

/** How long a rater is at it, in words, for `trials` reconstructions beside `rest` other questions. Pure. */
export const taking = (trials, rest = 11) =>
  `about ${Math.max(1, Math.round(((trials + rest) * SECONDS) / 60))} min for each rater`;

function field(text, control) {
  const label = make("label", "wb-study-field");
  label.append(make("span", "wb-label", text), control);
  return label;
}

/**
 * Returns the form, and `offer`, which puts runs on its list that have ended since, ahead of those that stand there.
 * `create` is given what was asked for, and throws what is wrong with it.
 */
export function newStudy({runs, tasks}, create) {
  const card = make("section", "wb-card-text");
  card.append(
    make("h2", null, "New study"),
    make(
      "p",
      "wb-note",
      [
        "People see each reconstruction beside four photographs and say whether it is the same person.",
        "Held-out photographs, random samples and other people's pictures are mixed in.",
        "What is asked, and whose answers count, is fixed now.",
      ].join(" "),
    ),
  );
  if (!runs.length) {
    card.append(make("p", null, "No run has ended yet. Start an attack in Invert, and come back when it is done."));
    return {card, offer: null};
  }
  const task = menu(
    tasks.map(each => [each.key, each.title]),
    "same",
    () => {},
  );
  const title = make("input", "wb-input");
  Object.assign(title, {maxLength: 80, placeholder: "for yourself; raters do not see it"});
  const trials = make("input", "wb-input");
  Object.assign(trials, {type: "number", min: 1, max: 400, value: 24});
  const hint = make("span", "wb-hint", taking(24));
  trials.addEventListener("input", () => {
    hint.textContent = taking(Number(trials.value) || 0);
  });
  const seed = make("input", "wb-input");
  Object.assign(seed, {type: "number", min: 0, max: 2 ** 31 - 1, value: 0});
  const list = make("div", "wb-study-runs");
  const boxes = [];
  const offer = found => {
    const lines = found
      .filter(run => !boxes.some(box => box.value === run.id))
      .map(run => {
        const box = make("input");
        Object.assign(box, {type: "checkbox", value: run.id});
        box.addEventListener("change", settle);
        boxes.push(box);
        const line = make("label");
        line.append(box, make("span", null, run.title), make("small", null, `${run.count} pictures · ${run.id}`));
        return line;
      });
    list.prepend(...lines);
  };
  const problem = make("p", "wb-problem");
  problem.hidden = true;
  problem.setAttribute("role", "alert");
  const go = button(
    "Make the study",
    async () => {
      go.disabled = true;
      problem.hidden = true;
      try {
        await create({
          runs: boxes.filter(box => box.checked).map(box => box.value),
          task: task.value,
          title: title.value,
          trials: Number(trials.value),
          seed: Number(seed.value),
        });
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      } finally {
        go.disabled = false;
      }
    },
    "wb-button wb-primary",
  );
  const settle = () => {
    go.disabled = !boxes.some(box => box.checked);
  };
  offer(runs);
  settle();
  const row = make("div", "wb-study-row");
  row.append(field("Question", task), field("Title", title), field("Pictures each", trials), field("Seed", seed));
  card.append(row, hint, make("h3", null, "Runs, all of one scenario"), list, problem, go);
  return {card, offer};
}
