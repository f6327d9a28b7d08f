import assert from "node:assert/strict";
import {test} from "node:test";

import {GrowingText} from "../../assets/lines.js";
import {Table, frameLine, lineAt} from "../../assets/table.js";

const HEADER = "frame,step,seconds,queries,confidence,identity,prior";

function filled(...lines) {
  const table = new Table();
  lines.forEach(line => table.add(line));
  return table;
}

test("a growing text is read piece by piece, a whole line at a time", () => {
  const text = new GrowingText();
  const read = [];
  const take = piece => text.take(piece, line => read.push(line));
  assert.equal(take("a\nb\nhal"), 2);
  assert.equal(take(""), 0, "half a line is not read");
  assert.equal(take("f\nd\n"), 2);
  assert.deepEqual(read, ["a", "b", "half", "d"]);
});

test("a piece that is empty or missing says nothing new", () => {
  const text = new GrowingText();
  const never = () => assert.fail("a line was read");
  assert.equal(text.take("", never), 0);
  assert.equal(text.take(undefined, never), 0);
});

test("columns are read by name, in whatever order they come", () => {
  const one = filled(HEADER, "0,3,0.5,40,0.25,1.5,2");
  const other = filled("queries,identity,step,frame,confidence,prior,seconds", "40,1.5,3,0,0.25,2,0.5");
  assert.deepEqual({...one.last}, {...other.last});
  assert.equal(other.last.queries, 40);
  assert.deepEqual(other.column("identity"), [1.5]);
});

test("an empty cell is no number", () => {
  const {last} = filled(HEADER, "0,3,0.5,40,,1.5,2");
  assert.equal(last.confidence, null);
});

test("a row that an earlier header wrote lacks the columns that came later", () => {
  const {last} = filled("step,seconds,loss,accuracy", "1,2,3");
  assert.equal(last.loss, 3);
  assert.equal(last.accuracy, null);
});

test("the newest row up to a frame is found, and none before the first", () => {
  const table = filled(HEADER, "2,4,0,8,,0,0", "5,10,0,20,,0,0");
  assert.equal(table.upTo("frame", 1), null);
  assert.equal(table.upTo("frame", 4).step, 4);
  assert.equal(table.upTo("frame", 9).step, 10);
});

test("a line of a frame is its number and its values", () => {
  assert.deepEqual(frameLine("7,12,,3"), {frame: 7, values: [12, null, 3]});
  const lines = [frameLine("0,1"), frameLine("4,2")];
  assert.equal(lineAt(lines, 3).values[0], 1);
  assert.equal(lineAt(lines, null).values[0], 2);
  assert.equal(lineAt([], null), null);
});
