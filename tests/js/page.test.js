import assert from "node:assert/strict";
import {test} from "node:test";

import {telling} from "../../assets/page/gradio-errors.js";
import {decide} from "../../assets/page/keys.js";

// -- keys --

const HERE = {dialog: false, view: true, active: true};
const BODY = {tag: "BODY"};
const press = (key, on = BODY, where = HERE, held = {}) => decide({key, ctrl: false, alt: false, ...held}, on, where);

test("each key of the help does what the help says", () => {
  assert.equal(press(" "), "pause");
  assert.equal(press("."), "step");
  assert.equal(press("Escape"), "stop");
  assert.equal(press("ArrowLeft"), "back");
  assert.equal(press("ArrowRight"), "forth");
  assert.equal(press("End"), "newest");
  assert.equal(press("?"), "help");
  assert.equal(press("Enter", BODY, HERE, {ctrl: true}), "run");
  assert.equal(press("x"), null);
});

test("where a person types, keys are text", () => {
  for (const on of [
    {tag: "TEXTAREA"},
    {tag: "INPUT", type: "text"},
    {tag: "INPUT", type: "number"},
    {tag: "DIV", editable: true},
  ])
    for (const key of [" ", ".", "?", "ArrowLeft"]) assert.equal(press(key, on), null);
  assert.equal(press("Enter", {tag: "TEXTAREA"}, HERE, {ctrl: true}), "run", "Ctrl+Enter runs from anywhere");
});

test("sliders, radios and tabs keep their arrows", () => {
  for (const on of [
    {tag: "INPUT", type: "range"},
    {tag: "INPUT", type: "radio"},
    {tag: "BUTTON", role: "tab"},
  ])
    assert.equal(press("ArrowLeft", on), null);
});

test("an open dialog takes all keys but the one that closes it", () => {
  const where = {dialog: true, view: true, active: true};
  assert.equal(press("Escape", BODY, where), null);
  assert.equal(press(" ", BODY, where), null);
  assert.equal(press("?", BODY, where), "help");
});

test("keys of the live view do nothing where it is not seen, and none with Alt", () => {
  const elsewhere = {dialog: false, view: false, active: true};
  for (const key of [" ", ".", "Escape", "End"]) assert.equal(press(key, BODY, elsewhere), null);
  assert.equal(press("ArrowLeft", BODY, HERE, {alt: true}), null);
});

test("while a run goes, Space pauses it from any button that has the focus", () => {
  for (const on of [{tag: "BUTTON"}, {tag: "A"}, {tag: "INPUT", type: "range"}, {tag: "SECTION"}])
    assert.equal(press(" ", on), "pause");
});

test("Space still ticks, opens and chooses where the focus is on what does that", () => {
  const own = [
    {tag: "INPUT", type: "checkbox"},
    {tag: "INPUT", type: "radio"},
    {tag: "SELECT"},
    {tag: "SUMMARY"},
    {tag: "LI", role: "option"},
    {tag: "BUTTON", menu: true},
  ];
  for (const on of own) assert.equal(press(" ", on), null);
});

test("with no run to pause, Space presses the button that has the focus", () => {
  const idle = {dialog: false, view: true, active: false};
  assert.equal(press(" ", {tag: "BUTTON"}, idle), null);
  assert.equal(press(" ", BODY, idle), null);
});

// -- what Gradio does not say --

const answer = (status, body) => new Response(JSON.stringify(body), {status});
const settled = () => new Promise(resolve => setTimeout(resolve, 0));

async function heard(address, given) {
  const told = [];
  const fetch = telling(
    async () => given,
    (...what) => told.push(what),
  );
  const got = await fetch(address);
  await settled();
  return {told, got};
}

test("a refused event is told, and its answer handed on unread", async () => {
  const refused = answer(500, {error: "No class is chosen.", title: "Not possible"});
  const {told, got} = await heard("http://here/gradio_api/run/start", refused);
  assert.deepEqual(told, [["Not possible", "No class is chosen."]]);
  assert.deepEqual(await got.json(), {error: "No class is chosen.", title: "Not possible"});
});

test("the address may come as a request", async () => {
  const {told} = await heard({url: "http://here/gradio_api/run/start"}, answer(500, {error: "No."}));
  assert.deepEqual(told, [["Error", "No."]]);
});

test("other answers say nothing", async () => {
  const silent = [
    ["http://here/gradio_api/run/start", answer(200, {error: "No."})],
    ["http://here/gradio_api/queue/join", answer(500, {error: "No."})],
    ["http://here/gradio_api/run/start", answer(500, {error: "No.", visible: false})],
    ["http://here/gradio_api/run/start", new Response("<html>", {status: 500})],
  ];
  for (const [address, given] of silent) {
    const {told, got} = await heard(address, given);
    assert.deepEqual(told, []);
    assert.equal(got, given);
  }
});

test("a request that fails still fails", async () => {
  const fetch = telling(async () => Promise.reject(new TypeError("no network")), assert.fail);
  await assert.rejects(fetch("http://here/gradio_api/run/start"), /no network/);
});
