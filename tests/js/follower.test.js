import assert from "node:assert/strict";
import {test} from "node:test";

import {Follower, rest} from "../../assets/live/follower.js";

const message = (seen, state = "running") => ({seen, status: {state}});
const says = (status, body) => ({status, ok: status < 300, json: async () => body});

/** A server that gives these answers, one a question, and then none until the follower turns away. */
function served(answers) {
  const asked = [];
  const told = [];
  const server = {
    asked,
    told,
    hidden: false,
    follower: new Follower({
      take: found => told.push(found.seen),
      gone: (run, why) => told.push(`${run}: ${why}`),
      hidden: () => server.hidden,
      fetch: async address => {
        asked.push(new URL(address, "http://here"));
        const next = answers.shift();
        if (next instanceof Error) throw next;
        if (!next) server.follower.follow("");
        return next ?? says(204);
      },
    }),
  };
  server.follower.sleep = async () => {};
  return server;
}

test("each question says what was told before, so that nothing is told twice or missed", async () => {
  const {asked, told, follower} = served([says(200, message("a.1")), says(204), says(200, message("b.2"))]);
  await follower.follow("run");
  assert.deepEqual(told, ["a.1", "b.2"]);
  assert.deepEqual(
    asked.map(url => url.searchParams.get("seen")),
    ["", "a.1", "a.1", "b.2"],
  );
  assert.equal(asked[0].pathname, "/wb/runs/run/news");
});

test("an answer that fails to come is asked for again", async () => {
  const {told, follower} = served([new TypeError("no network"), says(502), says(200, message("a"))]);
  await follower.follow("run");
  assert.deepEqual(told, ["a"]);
});

test("a run that is not there ends it, with the server's words", async () => {
  const {asked, told, follower} = served([says(404, {error: "It was deleted."})]);
  await follower.follow("run");
  assert.deepEqual(told, ["run: It was deleted."]);
  assert.equal(asked.length, 1);
});

test("what comes late of a run that is no longer followed is dropped", async () => {
  const {told, follower} = served([]);
  let answer = null;
  const slow = new Promise(resolve => (answer = resolve));
  follower.fetch = () => slow;
  const before = follower.follow("one");
  follower.fetch = async () => says(404, {error: "gone"});
  await follower.follow("two");
  answer(says(200, message("late")));
  await before;
  assert.deepEqual(told, ["two: gone"]);
});

test("a tab that is not seen lets nothing wait at the server", async () => {
  const server = served([says(204)]);
  server.hidden = true;
  await server.follower.follow("run");
  assert.equal(server.asked[0].searchParams.get("wait"), "0");
});

test("questions come soon while there are news, and seldom while there are none", () => {
  const news = rest({news: true, quiet: 0});
  assert.ok(news <= 100);
  assert.ok(rest({news: false, quiet: 1}) < rest({news: false, quiet: 3}));
  assert.equal(rest({news: false, quiet: 50}), rest({news: false, quiet: 5000}));
  assert.ok(rest({news: true, hidden: true}) >= 1000);
  assert.ok(rest({lost: true}) >= 1000);
});

test("of a run that has ended nothing is asked until somebody says that it may have changed", async () => {
  const server = served([says(200, message("a", "stopped")), says(204), says(200, message("b", "stopped"))]);
  const {follower, asked, told} = server;
  let rested = null;
  follower.sleep = ms => new Promise(resolve => (rested = [ms, (follower.wake = resolve)]));
  const following = follower.follow("run");
  for (const count of [1, 2, 3]) {
    while (asked.length < count || rested === null) await new Promise(setImmediate);
    assert.equal(rested[0], Infinity);
    assert.equal(asked.length, count);
    rested = null;
    follower.wake();
  }
  await following;
  assert.deepEqual(told, ["a", "b"]);
  assert.ok(rest({news: true, quiet: 0, over: true, lost: true}) < Infinity, "a question that was lost is asked again");
});

test("of a run that has ended all is asked for, in as many pieces as it comes", async () => {
  const {follower, told} = served([says(200, message("more-a", "stopped")), says(200, message("b", "stopped"))]);
  const rests = [];
  follower.sleep = async ms => {
    rests.push(ms);
    if (ms === Infinity) follower.follow("");
  };
  await follower.follow("run");
  assert.deepEqual(told, ["more-a", "b"]);
  assert.ok(rests[0] < 200);
});

test("who rests for ever is woken", async () => {
  const {follower} = served([]);
  const resting = Follower.prototype.sleep.call(follower, Infinity);
  follower.wake();
  await resting;
});
