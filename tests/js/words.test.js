import assert from "node:assert/strict";
import {test} from "node:test";

import {capitalise, count, figure, percent, rate, roughly, span} from "../../assets/format.js";
import {described} from "../../assets/page/machine.js";
import {judges, later, notice, pageTitle, statusLine, verdict, words} from "../../assets/live/words.js";

const SCENE = {attack_title: "GMI", scenario_title: "Faces"};

test("spans are rounded up and never say 60 seconds", () => {
  assert.equal(span(null), "–");
  assert.equal(span(0.2), "1 s");
  assert.equal(span(59.6), "1 min 0 s");
  assert.equal(span(119.7), "2 min 0 s");
  assert.equal(span(7200), "2.0 h");
});

test("percents, counts and rates of what is not known are a dash", () => {
  assert.equal(percent(0.416), "42 %");
  assert.deepEqual([percent(null), count(undefined), rate(null)], ["–", "–", "–"]);
  assert.equal(count(12345.6), "12,346");
  assert.equal(rate(3.14), "3.1");
  assert.equal(rate(250.4), "250");
  assert.equal(roughly(0), "1 s");
  assert.equal(roughly(100), "2 min");
  assert.deepEqual([123.4, 12.34, 1.234, 0.01234].map(figure), ["123", "12.3", "1.23", "0.0123"]);
});

test("a state is said in words", () => {
  const said = status => words({total: 100, step: 10, ...status});
  assert.equal(said({state: "running"}), "Running");
  assert.equal(said({state: "running", step: 100}), "Judging");
  assert.equal(said({state: "paused", reason: ""}), "Paused");
  assert.equal(said({state: "paused", reason: "no answer"}), "Waiting for its target");
  assert.equal(said({state: "queued", position: 0}), "Starting");
  assert.equal(said({state: "queued", position: 1, wait: 9}), "Waiting, next in the queue, about 9 s");
  assert.equal(said({state: "queued", position: 3}), "Waiting, number 3 in the queue");
});

test("times that were told run on until the next are told", () => {
  const queued = {state: "queued", position: 1, wait: 9.5};
  assert.equal(words(later(queued, 3)), "Waiting, next in the queue, about 7 s");
  assert.equal(words(later(queued, 60)), "Waiting, next in the queue, any moment");
  assert.equal(words(later({...queued, wait: null}, 3)), "Waiting, next in the queue");
  assert.equal(later({state: "running", left: 10}, 4).left, 6);
  assert.equal(later({state: "paused", left: 10}, 4).left, 10, "a paused run does not come nearer to its end");
});

test("a reason stands in the line of a stopped run, and beneath that of any other", () => {
  const stopped = {state: "stopped", reason: "at step 4"};
  assert.equal(statusLine(stopped, SCENE), "Stopped · GMI on Faces · at step 4");
  assert.equal(notice(stopped), "");
  assert.match(statusLine({state: "running", mine: false}, SCENE), /somebody else's, to watch$/);
  assert.equal(statusLine({state: "running", mine: true}, SCENE), "Running · GMI on Faces");
  assert.equal(notice({state: "finished", reason: "the queries were spent"}), "The queries were spent");
  assert.equal(notice({state: "running", reason: ""}), "");
  assert.equal(capitalise(""), "");
});

test("the page's title has the progress while a run moves, else its state", () => {
  assert.match(pageTitle({state: "running", step: 30, total: 60}, SCENE), /^50 % · GMI/);
  assert.match(pageTitle({state: "queued", position: 1, wait: 9}, SCENE), /^Waiting · GMI/);
  assert.equal(pageTitle(null), "Model Inversion Workbench");
});

test("a verdict counts candidates, beside random samples where they were judged", () => {
  assert.equal(verdict({metrics: null}, 8), "");
  assert.equal(verdict({metrics: {"acc@1": 0.5}}, 8), "The evaluator, which has to choose, is right for 4 of 8");
  assert.match(verdict({metrics: {"acc@1": 0.5}, baseline: {"acc@1": 0.125}}, 8), /random samples: 1\)$/);
});

test("the machine says its device, what it does and how many wait", () => {
  const status = {worker: "ready", running: null, queued: [], device: {type: "cpu"}, threads: 1};
  assert.deepEqual(described(status), {state: "ready", device: "CPU, 1 thread · ", text: "ready"});
  const busy = {...status, running: "a", queued: ["b"], device: {type: "cuda", name: "H100"}};
  assert.deepEqual(described(busy), {state: "running", device: "H100 · ", text: "running, 1 waiting"});
  assert.equal(described({...status, worker: "starting", device: null}).text, "starting");
});

test("judges who can say no speak before the evaluator", () => {
  const said = {judges: ["A", "B"], recognised: 1, n: 8, baseline: 0, ceiling: 0.95};
  assert.equal(
    verdict({metrics: {"acc@1": 1}, baseline: {"acc@1": 0.125}, verdict: said}, 8),
    "Recognised by both face judges: 1 of 8 (random samples 0 %, real photographs 95 %, evaluator's accuracy 8 of 8)",
  );
  assert.match(verdict({metrics: {"acc@1": 1}, verdict: {...said, judges: ["A"]}}, 8), /^Recognised by A: 1 of 8/);
  const soft = {...said, other: 5, unclear: 2, reach: 0.4};
  const line = verdict({metrics: {"acc@1": 1}, verdict: soft}, 8);
  assert.match(line, /1 of 8, not 5, too blurred to tell 2 \(/);
  assert.match(line, /real photographs 95 %, closest this prior can come 40 %/);
  assert.match(judges({verdict: said}), /A, B$/);
  assert.equal(judges({}), "");
});

test("a reason is a sentence, and a target's name stays as it is", () => {
  assert.equal(notice({state: "failed", reason: "ended early"}), "Ended early");
  assert.equal(notice({state: "paused", reason: "http:bank is away"}), "http:bank is away");
});

test("a run that was stopped is judged, and says at once that it was stopped", () => {
  const stopped = {state: "running", step: 12, total: 60, reason: "stopped at step 12"};
  assert.match(statusLine(stopped, SCENE), /^Judging · .* · stopped at step 12$/);
  assert.equal(notice(stopped), "");
  assert.match(statusLine({...stopped, reason: ""}, SCENE), /^Running · /);
});
