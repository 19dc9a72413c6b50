// What of a batch.yaml anybody may see: names of variables and hosts, never values or secrets.
import { describe, expect, test } from "vitest";
import { redactPair } from "../../agent/definitions/redact.ts";

describe("redacted batch.yaml", () => {
  test.each([
    [
      "block",
      'cron: "@daily"\nenv: # was topsecret\n  A: topsecret # topsecret\n  # B: topsecret\n  B: "topsecret"\ntags: [x]\n',
    ],
    ["flow", 'env: { A: topsecret, "B": topsecret }\ncron: "@daily"\n'],
    ["several lines", "env:\n  A: |\n    topsecret\n    topsecret\n  B: >-\n    topsecret\n    more\n"],
    ["JSON", '{"cron":"@daily","env":{"A":"topsecret","B":"topsecret"}}'],
    ["a quoted key", '"env":\n    "A": \'topsecret\'\n    B:\n      topsecret\n'],
  ])("%s: names are shown, values are not", (_what, text) => {
    const { after } = redactPair(null, text);
    expect(after).not.toContain("topsecret");
    expect(after).toContain("A: ***\n  B: ***\n");
  });

  test("that a value is another one is said, and no more", () => {
    const yaml = (value: string) => `cron: "@daily"\nenv:\n  A: ${value}\n  B: same\n`;
    const { before, after } = redactPair(yaml("old"), yaml("new"));
    expect([before, after]).toEqual([
      'cron: "@daily"\nenv:\n  A: ***\n  B: ***\n',
      'cron: "@daily"\nenv:\n  A: *** (changed)\n  B: ***\n',
    ]);
  });

  test.each([
    "env: &x { A: topsecret }\nretry: *x\n",
    "env: [\n",
    "env: topsecret\n",
    "env: { A: topsecret }\nenv: { A: topsecret }\n",
  ])("in doubt nothing is shown: %j", (text) => {
    expect(redactPair(text, null)).toEqual({ before: null, after: null });
  });

  test.each([
    [
      "block",
      "cron: x\nnotify:\n  mail: [ops@example.org]\n  webhook: # was https://h.example/topsecret\n    - https://h.example/topsecret\n    - 'https://plain.example'\nenv:\n  A: topsecret\ntags: [x]\n",
    ],
    [
      "flow",
      'notify: { webhook: ["https://h.example/topsecret", "https://plain.example"], mail: [ops@example.org] }\ncron: x\nenv: {A: topsecret}\n',
    ],
  ])("%s: of webhooks the host is shown", (_what, text) => {
    const { after } = redactPair(null, text);
    expect(after).not.toContain("topsecret");
    expect(after).toContain("webhook: [https://h.example/***, https://plain.example]");
    expect(after).toContain("mail: [ops@example.org]");
    expect(after).toContain("env:\n  A: ***\n");
  });

  test("of heartbeats too, beside webhooks", () => {
    const yaml = (key: string) =>
      `notify:\n  ping: [https://h.example/${key}]\n  webhook: ["https://w.example/${key}"]\ncron: x\n`;
    expect(redactPair(yaml("old"), yaml("topsecret"))).toEqual({
      before: "notify:\n  ping: [https://h.example/***]\n  webhook: [https://w.example/***]\ncron: x\n",
      after:
        "notify:\n  ping: [https://h.example/*** (changed)]\n  webhook: [https://w.example/*** (changed)]\ncron: x\n",
    });
  });

  test("that a webhook is another one is said, and no more", () => {
    const yaml = (key: string) =>
      `notify:\n  webhook:\n    - https://h.example/same\n    - https://h.example/${key}\ncron: x\n`;
    expect(redactPair(yaml("old"), yaml("new"))).toEqual({
      before: "notify:\n  webhook: [https://h.example/***, https://h.example/***]\ncron: x\n",
      after: "notify:\n  webhook: [https://h.example/***, https://h.example/*** (changed)]\ncron: x\n",
    });
  });

  test.each([
    "notify: {webhook: &x [https://h.example/topsecret]}\ntags: *x\n",
    "notify: {webhook: https://h.example/topsecret}\n",
    "notify: https://h.example/topsecret\n",
  ])("in doubt no webhook is shown: %j", (text) => {
    expect(redactPair(text, null)).toEqual({ before: null, after: null });
  });

  test("what has neither env nor webhooks is shown as it is, but for comments, which may hold what was there", () => {
    const text = "cron: '@daily' # nightly\ndescription: 'a # b'\ntags: [\n  a, # first\n  b#c ]\n";
    const shown = "cron: '@daily' # …\ndescription: 'a # b'\ntags: [\n  a, # …\n  b#c ]\n";
    expect(redactPair(text, text)).toEqual({ before: shown, after: shown });
    expect(redactPair("# topsecret\ncron: x\n", "# topsecret\n# moresecret\ncron: x\n").after).toBe(
      "# …\n# … (changed)\ncron: x\n",
    );
  });

  test.each([
    [
      "a whole block that was taken out",
      "cron: x\n#env:\n#  PW: topsecret\n#notify:\n#  webhook: [https://h/topsecret]\n",
    ],
    ["a webhook that was taken out", "notify:\n  # webhook: [https://h/topsecret]\n  mail: [a@b.c]\n"],
    ["the last of env", "env:\n  A: topsecret\n#  B: topsecret\ncron: x\n"],
    [
      "behind a webhook",
      "notify:\n  webhook:\n    - https://h/topsecret\n    # - https://h/topsecret\n  mail: [a@b.c]\n",
    ],
  ])("comments: %s", (_what, text) => {
    const { after } = redactPair(null, text);
    expect(after).not.toContain("topsecret");
    expect(after).toMatch(/^cron: x$|^ {2}mail: \[a@b\.c\]$/m);
  });

  test("a # that begins no comment stays: in a block of text it is text", () => {
    const text = "description: |\n  # not one\n  more\ncron: x\n";
    expect(redactPair(null, text).after).toBe(text);
  });
});
