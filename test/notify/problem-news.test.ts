import { describe, expect, test } from "vitest";
import type { Problem } from "../../agent/model/problem.ts";
import { problemContent, problemSubject } from "../../agent/notify/problem-message.ts";
import { planNews, type ToldProblems, type Topic } from "../../agent/notify/problem-news.ts";
import { t0 } from "../helpers/make.ts";

const hour = 3_600_000;
const to = { mail: ["ops@example.org"], webhook: ["https://chat.example.org/x"] };

function problem(fields: Partial<Problem> = {}): Problem {
  const place = { batch: "report", file: "batches.d/report/batch.yaml", line: 3, column: 1, path: "cron" };
  return { ...place, code: "bad-cron", message: '"x" is no pattern', hint: "five fields", ...fields };
}

function topic(problems: Problem[], fields: Partial<Topic> = {}): Topic {
  return { key: "batch:report", name: "report", problems, to, isPassing: false, settleMs: 0, ...fields };
}

/** Plans one after the other, each with what the one before has told. */
function run(...steps: { at?: number; topics: Topic[]; isWhole?: boolean; settled?: boolean }[]): string[][] {
  let told: ToldProblems = {};
  return steps.map(({ at = t0, topics, isWhole = true, settled = true }) => {
    const plan = planNews(topics, told, { isSettled: () => settled, isWhole }, at);
    told = plan.told;
    return plan.news.flatMap(({ problems }) => problems.map(({ message }) => message));
  });
}

const one = problem();
const other = problem({ path: "after", message: "there is no batch x" });
const git = topic([problem({ code: "git-not-followed", file: null, message: "no answer" })], {
  key: "agent:git-not-followed:",
  isPassing: true,
});

describe("a problem is told", () => {
  test.each<[string, string[][], string[][]]>([
    ["once while it lasts", run({ topics: [topic([one])] }, { topics: [topic([one])] }), [[one.message], []]],
    [
      "once, though its line has moved",
      run({ topics: [topic([one])] }, { topics: [topic([problem({ line: 9 })])] }),
      [[one.message], []],
    ],
    [
      "again once it was mended in between",
      run({ topics: [topic([one])] }, { topics: [] }, { topics: [topic([one])] }),
      [[one.message], [], [one.message]],
    ],
    [
      "not again after a restart, before all has been looked over",
      run({ topics: [topic([one])] }, { topics: [], isWhole: false }, { topics: [topic([one])] }),
      [[one.message], [], []],
    ],
    [
      "by itself when another comes to it",
      run({ topics: [topic([one])] }, { topics: [topic([one, other])] }),
      [[one.message], [other.message]],
    ],
    [
      "once it has lasted",
      run({ topics: [topic([one])], settled: false }, { topics: [topic([one])] }),
      [[], [one.message]],
    ],
    [
      "once an hour, where it comes and goes by itself, in whatever words",
      run(
        { topics: [git] },
        { topics: [], at: t0 + 1 },
        { topics: [{ ...git, problems: [{ ...(git.problems[0] as Problem), message: "timeout" }] }], at: t0 + 2 },
        { topics: [], at: t0 + hour },
        { topics: [git], at: t0 + hour + 1 },
      ),
      [["no answer"], [], [], [], ["no answer"]],
    ],
  ])("%s", (_name, got, want) => expect(got).toEqual(want));
});

test("a message names the place and the hint; nothing in it acts as markup or as a header", () => {
  const news = {
    topic: topic([], { name: "report" }),
    problems: [problem({ message: "<b>bad</b>\nBcc: x@example.org" }), other],
    about: "x",
  };
  expect(problemSubject(news)).toBe("[batch-agent] report problem");
  const { mail, webhook } = problemContent(news, "https://batches.example.org/problems");
  const body = JSON.parse("body" in webhook ? webhook.body : "") as { event: string; text: string; problem: Problem };
  expect(Object.keys(body)).toEqual(["event", "text", "problem"]);
  expect(body.problem).toEqual(news.problems[0]);
  expect(body.text).toContain("batches.d/report/batch.yaml:3:1: <b>bad</b> Bcc: x@example.org\n  hint: five fields");
  expect(body.text).toContain("there is no batch x");
  expect("html" in mail && mail.html).toContain("&lt;b&gt;bad&lt;/b&gt; Bcc");
  expect("text" in mail && mail.text).toContain("What was valid last stays in force.");
});
