// Following a real repository on disk by a clock that is moved by hand: when it is asked, and what becomes of failures.
import { randomBytes } from "node:crypto";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openRemote } from "../../agent/sources/git.ts";
import { createFollower } from "../../agent/sources/git-follower.ts";
import { fakeClock } from "../helpers/fakes.ts";
import { repository } from "../helpers/git.ts";
import { t0 } from "../helpers/make.ts";
import { quietLog } from "../helpers/quiet.ts";
import { eventually, temporaryFolder } from "../helpers/tmp.ts";

const intervalMs = 60_000;

async function setUp(random = () => 0.5) {
  const home = temporaryFolder();
  const repo = repository(join(home, "repo"));
  const first = repo.commit({ "a/script.sh": "true\n" });
  const clock = fakeClock(t0);
  const log = quietLog();
  const real = await openRemote(
    join(home, "data"),
    { url: repo.path, ref: "main", path: "", limits: { entries: 1_000, bytes: 2 ** 20 }, verify: null },
    process.env,
  );
  let asked = 0;
  let taken = 0;
  let onAnswer: () => Promise<void> | void = () => undefined;
  const remote: typeof real = {
    ...real,
    checkout(ref) {
      taken += 1;
      return real.checkout(ref);
    },
    async ask() {
      asked += 1;
      const answer = await real.ask();
      await onAnswer();
      return answer;
    },
  };
  let switched = 0;
  const follower = createFollower({
    clock,
    log,
    remote,
    url: real.url,
    ref: "main",
    intervalMs,
    random,
    onSwitched: () => (switched++, Promise.resolve()),
  });
  /** Asked so many times, and waiting for the next. */
  const rests = (times: number) => eventually(() => asked === times && clock.timers() === 1);
  const away = `${repo.path}.away`;
  return {
    repo,
    first,
    clock,
    log,
    follower,
    rests,
    asked: () => asked,
    taken: () => taken,
    switched: () => switched,
    /** Holds back the remote's next answer until `go`. */
    hold() {
      let go: () => void = () => undefined;
      const going = new Promise<void>((done) => (go = done));
      const answered = new Promise<void>((done) => {
        onAnswer = () => {
          onAnswer = () => undefined;
          done();
          return going;
        };
      });
      return { answered, go };
    },
    goAway: () => renameSync(repo.path, away),
    comeBack: () => renameSync(away, repo.path),
  };
}

test("failures make it ask at growing intervals up to a minute, and a success brings the interval back", async () => {
  const { repo, first, clock, log, follower, rests, asked, switched, goAway, comeBack } = await setUp();
  follower.start();
  await rests(1);
  expect(follower.health()).toMatchObject({ commit: first, error: null, lastFetchedAt: new Date(t0).toISOString() });

  goAway();
  await clock.advance(intervalMs);
  let looks = 2;
  await rests(looks);
  for (const waitMs of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
    await clock.advance(waitMs - 1);
    expect(asked()).toBe(looks);
    await clock.advance(1);
    await rests(++looks);
  }
  expect(follower.health()).toMatchObject({ commit: first, lastFetchedAt: new Date(t0).toISOString() });
  expect(follower.health().error).toContain("does not");
  expect(log.said.filter(({ level }) => level === "warn")).toHaveLength(1); // once for each trouble, not for each look

  comeBack();
  const second = repo.commit({ "a/script.sh": "echo 2\n" });
  await clock.advance(60_000);
  await rests(++looks);
  expect(follower.health()).toMatchObject({ commit: second, error: null });
  expect(switched()).toBe(2);
  await clock.advance(intervalMs - 1);
  expect(asked()).toBe(looks);
  await clock.advance(1);
  await rests(++looks);
  expect(switched()).toBe(2); // the same commit is not taken again

  goAway();
  await clock.advance(intervalMs);
  await rests(++looks);
  await clock.advance(5_000); // from the beginning again
  await rests(++looks);
  await follower.stop();
});

test.each([
  { random: 0, factor: 0.8 },
  { random: 1, factor: 1.2 },
])("waits differ from agent to agent by a fifth: $factor times", async ({ random, factor }) => {
  const { clock, follower, rests, asked, goAway } = await setUp(() => random);
  follower.start();
  await rests(1);
  await clock.advance(intervalMs * factor - 1);
  expect(asked()).toBe(1);
  goAway();
  await clock.advance(1);
  await rests(2);
  await clock.advance(5_000 * factor - 1);
  expect(asked()).toBe(2);
  await clock.advance(1);
  await rests(3);
  await follower.stop();
});

test("asked to look now, it does, also in the middle of a long wait; the next wait counts from then", async () => {
  const { repo, clock, follower, rests, asked, goAway, comeBack } = await setUp();
  follower.start();
  await rests(1);
  goAway();
  for (const looks of [2, 3]) {
    await follower.pollNow();
    await rests(looks);
  }
  comeBack();
  const commit = repo.commit({ "a/script.sh": "echo 2\n" });
  await follower.pollNow();
  expect(follower.health()).toMatchObject({ commit, error: null });
  await clock.advance(intervalMs - 1);
  expect(asked()).toBe(4);
  await clock.advance(1);
  await rests(5);
  await follower.stop();
});

test("a commit that is pushed while a look is under way is found by who asks then", async () => {
  const { repo, clock, follower, rests, asked, hold } = await setUp();
  follower.start();
  await rests(1);
  const { answered, go } = hold();
  await clock.advance(intervalMs);
  await answered; // "nothing new" is on its way
  const commit = repo.commit({ "a/script.sh": "echo 2\n" });
  const looked = Promise.all([follower.pollNow(), follower.pollNow()]);
  go();
  await looked;
  expect(follower.health().commit).toBe(commit);
  expect(asked()).toBe(3); // one more look serves both
  await rests(3);
  await follower.stop();
});

test("once stopped it asks no more", async () => {
  const { clock, follower, rests, asked } = await setUp();
  follower.start();
  await rests(1);
  await follower.stop();
  await follower.pollNow();
  await clock.advance(10 * intervalMs);
  expect(asked()).toBe(1);
  expect(clock.timers()).toBe(0);
});

test.each(["a message", "a file"])(
  "%s beyond --archive-bytes is fetched and told once, and the next commit counts",
  async (what) => {
    const { repo, first, clock, log, follower, rests, taken } = await setUp();
    follower.start();
    await rests(1);
    // Of random digits, which no compression makes small.
    const text = randomBytes(2 ** 22).toString("hex");
    let large: string;
    if (what === "a file") large = repo.commit({ "a/large": text });
    else {
      writeFileSync(join(repo.path, ".git/message"), text);
      repo.git("commit", "-q", "--allow-empty", "-F", ".git/message");
      large = repo.git("rev-parse", "HEAD");
    }
    for (const looks of [2, 3, 4]) {
      await clock.advance(intervalMs);
      await rests(looks);
    }
    expect(taken()).toBe(2);
    expect(follower.health().commit).toBe(first);
    expect(follower.health().error).toMatch(new RegExp(`commit ${large.slice(0, 12)} is not taken: .*--archive-bytes`));
    expect(log.said.filter(({ level }) => level === "warn")).toHaveLength(1);
    expect(existsSync(join(repo.path, "../data/git/repo.git"))).toBe(false);

    repo.git("reset", "-q", "--hard", first);
    const small = repo.commit({ "a/small": "x" });
    await clock.advance(intervalMs);
    await rests(5);
    expect(follower.health()).toMatchObject({ commit: small, error: null });
    await follower.stop();
  },
  60_000,
);
