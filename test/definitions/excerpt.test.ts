import { expect, test } from "vitest";
import { excerptOf } from "../../agent/definitions/excerpt.ts";

const file = `# a comment with hunter2
description: a report
cron: "61 * * * *"
retry:
  limit: many
  delay: 5s
env:
  PASSWORD: hunter2

  # hunter2
enviroment:
  TOKEN: hunter2
'env' : {A: hunter2}
env: {A: hunter2}
secrets: {A: hunter2}
timeout: \u202ealways
tags: [${"x".repeat(300)}]
notify:
  webhook: [https://h.example/hunter2]
`;

test.each<[number, string | null]>([
  [1, null],
  [2, "description: a report"],
  [3, 'cron: "61 * * * *"'],
  [5, "  limit: many"],
  [7, "env: …"],
  [8, null],
  [9, null],
  [10, null],
  [11, "enviroment: …"],
  [12, null],
  [13, "env: …"],
  [14, "env: …"],
  [15, "secrets: …"],
  [16, "timeout: \ufffdalways"],
  [17, `tags: [${"x".repeat(153)}…`],
  [18, "notify: …"],
  [19, null],
  [99, null],
])("line %i is shown as %j", (line, want) => expect(excerptOf(file, line)).toBe(want));

test.each<[string, string, number]>([
  ["one flow map", "{cron: '* * * * *', env: {A: hunter2}}", 1],
  ["a flow map over lines", "{\n  cron: x,\n  env: {A: hunter2}\n}", 3],
  ["an explicit key", "description: x\n? env\n: {A: hunter2}", 3],
  ["an escaped key", 'description: x\n"\\x65nv": {A: hunter2}', 2],
  ["an indented file", "  cron: x\n  env: {A: hunter2}", 2],
  ["a merged map", "cron: x\n<<: {env: {A: hunter2}}", 2],
  ["a key with a tag", "cron: x\n!!str env: {A: hunter2}", 2],
  ["a list at the top", "- env: {A: hunter2}", 1],
])("%s gives nothing away", (_name, text, line) => expect(excerptOf(text, line) ?? "").not.toContain("hunter2"));

test("no value of env is ever shown, whatever the line", () => {
  for (let line = 1; line <= file.split("\n").length; line++)
    expect(excerptOf(file, line) ?? "").not.toContain("hunter2");
});
