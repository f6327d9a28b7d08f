import assert from "node:assert/strict";
import {test} from "node:test";

import {columnSaid, nameOf, sendTable, tooLarge} from "../../assets/attributes/bring.js";
import {offered} from "../../assets/attributes/cards.js";
import {verdict} from "../../assets/attributes/figures.js";
import {budget} from "../../assets/attributes/form.js";
import {placed} from "../../assets/attributes/privacy.js";

const attack = (key, title, accuracy, mcc) => ({key, title, overall: {accuracy, mcc}});

test("a claim is read beside the marginals and a classifier that never saw the target", () => {
  const rows = [
    attack("map", "MAP", 0.56, 0.35),
    attack("majority", "Majority", 0.35, 0),
    attack("imputation", "Imputation", 0.63, 0.45),
  ];
  assert.match(verdict(rows), /MAP names 56 % right; the most common value 35 %.*63 %.*told no more than/);
  assert.match(verdict([attack("map", "MAP", 0.7, 0.6), ...rows.slice(1)]), /told more than/);
});

test("a baseline itself is told without others", () => {
  assert.equal(verdict([attack("majority", "Majority", 0.35, 0)]), "Majority names 35 % right.");
});

test("a card is offered where its table is", () => {
  assert.deepEqual(offered([]), []);
  const scenarios = new Set(offered(["warfarin", "table:mine"]).map(card => card.set.scenario));
  assert.deepEqual([...scenarios], ["warfarin"]);
});

test("a privacy budget has words", () => {
  assert.deepEqual([budget(null), budget(0.3)], ["no privacy", "ε = 0.3"]);
});

test("levels lie from left to right, and what is greater lies higher", () => {
  const {x, y, top} = placed([{found: 0.3}, {found: 0.6}], "found", 0.7);
  assert.ok(x(0) < x(1) && y(0.6) < y(0.3) && top > 0.7);
});

test("a table's name comes from its file's, in letters that a name may have", () => {
  assert.deepEqual(["Clinic 2024.csv", "../../x.CSV", "Ünïq.tsv", "日本.csv"].map(nameOf), [
    "clinic-2024",
    "x",
    "n-q",
    "table",
  ]);
  assert.ok(nameOf(`${"a".repeat(60)}.csv`).length <= 40);
});

test("a file that is too large is not sent at all", () => {
  assert.equal(tooLarge(64 << 20, 64 << 20), "");
  assert.match(tooLarge((64 << 20) + 1, 64 << 20), /65 MiB; at most 64 MiB/);
});

test("a column says what it holds", () => {
  assert.equal(columnSaid({name: "ill", number: false, values: 2, missing: 0}), "ill (2 values)");
  assert.equal(columnSaid({name: "age", number: true, values: 40, missing: 3}), "age (numbers, 3 missing)");
});

test("what the server refuses is said in its words", async () => {
  const refusing = async () => ({
    ok: false,
    status: 400,
    json: async () => ({error: "Several columns are called 'a'."}),
  });
  await assert.rejects(sendTable("a,a", "/x", refusing), /Several columns are called 'a'/);
  const silent = async () => ({ok: false, status: 502, json: async () => JSON.parse("")});
  await assert.rejects(sendTable("", "/x", silent), /answered 502/);
});
