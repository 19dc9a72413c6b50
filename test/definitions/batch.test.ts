import { describe, expect, test } from "vitest";
import { inheritsNothing } from "../../agent/definitions/inherit.ts";
import { parseCalendar } from "../../agent/schedule/calendar.ts";
import { parseBatch } from "../../agent/definitions/batch.ts";
import { notesOf } from "../../agent/definitions/schedule-notes.ts";
import { folderOf } from "../helpers/folder.ts";

const options = { timeZone: "UTC" };
const due = 'cron: "@daily"\n';

function judge(settings: string | Uint8Array | null, script?: string | Uint8Array | null) {
  return parseBatch(folderOf(settings, script), options);
}

/** Problems in short: `line:column code path`. */
function short(settings: string | Uint8Array | null, script?: string | Uint8Array | null) {
  return judge(settings, script).problems.map(({ line, column, code, path }) =>
    [line === null ? "-" : `${line}:${column}`, code, path].filter((part) => part !== null).join(" "),
  );
}

describe("valid batches", () => {
  test("defaults are filled in", () => {
    const { batch, problems } = judge('cron: "30 2 * * *"\n');
    expect(problems).toEqual([]);
    expect(batch).toMatchObject({
      name: "report",
      enabled: true,
      schedule: { timeZone: "UTC", jitterMs: 0, patterns: [{ kind: "cron", text: "30 2 * * *" }] },
      startDeadlineMs: 600_000,
      env: {},
      envFiles: [],
      notify: null,
      keep: { executions: 100, ageMs: null },
    });
    expect(batch?.file).toEqual({
      cron: "30 2 * * *",
      tags: [],
      enabled: true,
      shift: "none",
      independent: false,
      input: "none",
      params: {},
      successCodes: [0],
      output: "auto",
      concurrency: "forbid",
      priority: 0,
      startDeadline: "10m",
      jitter: "0s",
      env: {},
      keep: { executions: 100 },
    });
  });

  test("every key that works now", () => {
    const text = `description: Nightly
tags: [billing, nightly]
enabled: false
cron: ["0 8 * * 1-5", "2026-12-24T18:00:00"]
timeZone: Europe/Paris
startDeadline: 1h
jitter: 5m
env: { REGION: eu-west, PORT: "8080" }
envFile: /run/secrets/a.env
notify: { mail: [ops@example.org, ops@example.org], webhook: ["https://chat.example.org/hooks/1?key=2"], ping: ["https://hc.example.org/ping/x"] }
skipOn: holidays
shift: next
params: { DAY: yesterday }
successCodes: [0, 24]
retry: { limit: 2, codes: [75] }
pool: warehouse
priority: -5
lateAfter: 2h
kubernetes: { image: "tools:1", resources: { limits: { memory: 256Mi, cpu: 1 } }, envFrom: [{ secret: db }] }
keep: { executions: 30, age: 90d }
`;
    const { calendar } = parseCalendar("holidays", { dates: ["12-25"] }, []);
    const { batch, patternPlaces, problems } = parseBatch(folderOf(text), {
      ...options,
      now: Date.parse("2026-11-28"),
      inheritance: {
        ...inheritsNothing,
        group: "billing",
        pools: new Map([["warehouse", { group: "", size: 2 }]]),
        calendars: new Map([["holidays", calendar]]),
      },
    });
    expect(problems).toEqual([]);
    expect(batch).toMatchObject({
      group: "billing",
      params: { DAY: "yesterday" },
      successCodes: [0, 24],
      retry: { limit: 2, codes: [75] },
      pool: "warehouse",
      priority: -5,
      lateAfterMs: 7_200_000,
      enabled: false,
      schedule: { timeZone: "Europe/Paris", patterns: [{ kind: "cron" }, { kind: "once" }] },
      startDeadlineMs: 3_600_000,
      env: { REGION: "eu-west", PORT: "8080" },
      envFiles: ["/run/secrets/a.env"],
      notify: {
        on: ["failure", "recovery", "late", "missed", "problem"],
        mail: ["ops@example.org"],
        webhook: ["https://chat.example.org/hooks/1?key=2"],
        ping: ["https://hc.example.org/ping/x"],
      },
      keep: { executions: 30, ageMs: 7_776_000_000 },
    });
    expect(batch?.schedule?.jitterMs).toBeGreaterThan(0);
    expect(batch?.schedule?.jitterMs).toBeLessThan(300_000);
    expect(patternPlaces.map(({ file, line, column }) => `${file}:${line}:${column}`)).toEqual([
      "batches.d/report/batch.yaml:4:8",
      "batches.d/report/batch.yaml:4:23",
    ]);
  });

  test("calendars that leave no day within five years are a problem", () => {
    const { calendar } = parseCalendar("never", { weekdays: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] }, []);
    const inheritance = { ...inheritsNothing, calendars: new Map([["never", calendar]]) };
    const { problems } = parseBatch(folderOf('cron: "0 3 * * *"\nskipOn: never\n'), {
      ...options,
      inheritance,
      now: Date.parse("2026-11-28"),
    });
    expect(problems).toMatchObject([{ code: "never-due", line: 1, column: 7, path: "cron" }]);
  });

  test("a group's defaults are the batch's, unless it says otherwise", () => {
    const inheritance = {
      ...inheritsNothing,
      group: "billing",
      defaults: { timeZone: "Europe/Paris", timeout: "1h", enabled: false },
      origins: { timeZone: "", timeout: "billing", enabled: "billing" },
    };
    const { batch } = parseBatch(folderOf('cron: "0 3 * * *"\ntimeout: 5m\n'), { ...options, inheritance });
    expect(batch).toMatchObject({
      enabled: false,
      timeoutMs: 300_000,
      schedule: { timeZone: "Europe/Paris" },
      inherited: { timeZone: "", enabled: "billing" },
    });
  });

  test.each([
    ["a byte order mark", "\uFEFFcron: '@daily'\n"],
    ["Windows line endings", "cron: '@daily'\r\nenabled: true\r\n"],
    ["no line break at the end", "cron: '@daily'"],
    ["document marks", "---\ncron: '@daily'\n...\n"],
    ["anchors within reason", "cron: &c '@daily'\nenv: { A: *c, B: *c }\n"],
    ["a pattern without quotes", "cron: 30 2 * * *\n"],
    [
      "keys at their defaults whose other values are to come",
      `${due}independent: false\ninput: none\nconcurrency: forbid\nretry: { limit: 0 }\n`,
    ],
    ["names of JavaScript's own", `${due}env: { constructor: a, __proto__: b, toString: c }\n`],
    ["what YAML 1.1 took for something else", `${due}env: { A: yes, B: 2026-01-01, C: 08:00 }\n`],
  ])("%s", (_, text) => {
    const { batch, problems } = judge(text);
    expect(problems).toEqual([]);
    expect(batch).not.toBeNull();
  });

  test("a long script that was cut off within a letter, or after blanks only, is no problem", () => {
    for (const text of ["echo é", "   é"]) {
      const bytes = new TextEncoder().encode(text).slice(0, -1);
      expect(parseBatch({ ...folderOf(due), script: { bytes, size: 2_000_000 } }, options).problems).toEqual([]);
    }
  });

  test("__proto__ is a key like any other that is not known", () => {
    expect(judge(`${due}__proto__: { enabled: false }\n`).problems).toMatchObject([
      { code: "unknown-key", path: "__proto__", line: 2, column: 1 },
    ]);
  });

  test("env with __proto__ keeps it as a variable", () => {
    expect(Object.entries(judge(`${due}env: { __proto__: b }\n`).batch?.env ?? {})).toEqual([["__proto__", "b"]]);
  });
});

describe("problems and their places", () => {
  test.each<[string, string, string[]]>([
    ["a value of the wrong type", `${due}enabled: 1\n`, ["2:10 schema enabled"]],
    ["one of a list", "cron:\n  - '@daily'\n  - 5\n", ["3:5 schema cron[1]"]],
    ["neither string nor list, told once", "cron: { a: 1 }\n", ["1:7 schema cron"]],
    ["an empty list", "cron: []\n", ["1:7 schema cron"]],
    ["the same twice", `${due}tags: [a, b, a]\n`, ["2:14 schema tags[2]"]],
    ["an unknown key is told at the key", `${due}keep:\n  days: 3\n`, ["3:3 unknown-key keep.days"]],
    ["one pattern of several", "cron: ['@daily', '@nightly']\n", ["1:18 bad-cron cron[1]"]],
    ["a value through an alias is told at the alias", `${due}tags: [&t x]\nenvFile: *t\n`, ["3:10 schema envFile"]],
    [
      "sorted by line",
      `zzz: 1\n${due}aaa: 1\nenabled: 1\n`,
      ["1:1 unknown-key zzz", "3:1 unknown-key aaa", "4:10 schema enabled"],
    ],
    ["a guess at cron stands for no-start", "schedule: '@daily'\n", ["1:1 unknown-key schedule"]],
    ["a script that is not there and a setting", "enabled: 1\n", ["1:10 schema enabled"]],
    ["an unquoted star", "cron: * * * * *\n", ["1:7 yaml-syntax"]],
    ["an unquoted star in brackets", "cron: [*/5 * * * *]\n", ["1:8 yaml-syntax"]],
    ["a tab", "env:\n\tA: b\n", ["2:1 yaml-tab"]],
    ["tabs on many lines, told once", "env:\n\tA: b\n\tC: d\n\tE: f\n", ["2:1 yaml-tab"]],
    ["a key that is no word", `${due}? [a]\n: b\n`, ["2:3 yaml-syntax"]],
    ["an alias of nothing", "cron: *daily\n", ["1:7 yaml-syntax"]],
    ["a tag of YAML 1.1", `${due}description: !!binary aGVsbG8=\n`, ["2:14 yaml-syntax"]],
    ["infinite", `${due}keep: { executions: .inf }\n`, ["2:21 schema keep.executions"]],
    ["a NUL in a variable", `${due}env: { A: "a\\0b" }\n`, ["2:11 schema env.A"]],
  ])("%s", (_, text, want) => expect(short(text)).toEqual(want));

  test.each<[string, string, RegExp]>([
    ["timezone: UTC", "other case", /did you mean `timeZone`/],
    ["tz: UTC", "another tool's word", /did you mean `timeZone`/],
    ["start_deadline: 5m", "other separators", /did you mean `startDeadline`/],
    ["environment: {}", "another tool's word", /did you mean `env`/],
    ["enviroment: {}", "a slip in another tool's word", /did you mean `env`/],
    ["needs: [a]", "another tool's word", /did you mean `after`/],
    ["suspend: true", "the opposite", /did you mean `enabled: false`/],
    ["script: ./x.sh", "what is elsewhere", /script\.sh/],
    ["name: x", "what is elsewhere", /folder's name/],
    ["limit: 3", "from below", /belongs below `retry`/],
    ["<<: {}", "merge key", /merge/],
    ["toString: 1", "JavaScript's own", /known here/],
    ["keep: { cron: x }", "from above", /belongs at the top/],
    ["keep: { age: 30 }", "no unit", /30d/],
    ["jitter: 10min", "long unit", /write 10m/],
    ["jitter: 1w", "weeks", /write 7d/],
    ["enabled: on", "YAML 1.1", /write true/],
    ['enabled: "false"', "quoted", /take the quotes off: false/],
    ["keep: { executions: '5' }", "quoted", /take the quotes off: 5/],
    ["concurrency: queu", "nearly", /did you mean `queue`/],
    ["timeZone: Paris", "only the city", /Europe\/Paris/],
    ["timeZone: UTC+2", "an offset", /offset/],
    ["description: 1.10", "a number with a zero at its end", /quote it: "1\.10"/],
    ["description: 0x1F", "a hexadecimal number", /quote it: "0x1F"/],
    ["description: 12345678901234567890", "a number of more digits than fit", /quote it: "12345678901234567890"/],
    ["description: True", "a word", /quote it: "True"/],
    ["onFailure: 007", "a number with zeros before it", /quote it: "007"/],
    ["tags: 1e3", "a number in scientific notation", /in brackets: \[1e3\]/],
    ["timeZone: BST", "an abbreviation", /`Europe\/London`/],
    ["timeZone: ist", "an abbreviation of three places", /`Asia\/Kolkata` or `Europe\/Dublin` or `Asia\/Jerusalem`/],
    ["timeZone: CEST", "an abbreviation that ICU does not know", /`Europe\/Berlin`/],
    ["timeZone: posix/Europe/Paris", "tzdata's second copy", /`Europe\/Paris`/],
    ["timeZone: Europe/Lodnon", "swapped letters", /Europe\/London/],
    ["envFile: ~/x.env", "home", /~/],
    ["notify: { mail: ops@example.org }", "no list", /\[ops@example\.org\]/],
    ["notify: { webhook: https://h.example/s3cret }", "no list, and a secret", /^write it in brackets: \["…"\]$/],
  ])("hint for %s (%s)", (line, _, want) => {
    const hints = judge(`${due}${line}\n`).problems.map(({ hint }) => hint);
    expect(hints).toHaveLength(1);
    expect(hints[0]).toMatch(want);
  });

  test("values of env are not repeated", () => {
    const lines = [
      "A: 4711",
      "A: *4711",
      "A: @4711",
      "A: !4711 x",
      "A: |4711",
      'A: "4711" 4711',
      "A: { 4711: 4711 }",
      "A: [4711]",
      "A: 4711: 4711",
      'A: "\\4711"',
      "A: %4711",
    ];
    for (const line of lines) {
      const { problems } = judge(`${due}env:\n  ${line}\n`);
      expect(problems, line).not.toEqual([]);
      expect(JSON.stringify(problems), line).not.toContain("4711");
    }
  });

  test("at most 50 of one batch", () => {
    const many = Array.from({ length: 200 }, (_, i) => `key${i}: 1\n`).join("");
    expect(short(many)).toHaveLength(50);
  });

  test("what reading found is passed on, and what it did not read is not called missing", () => {
    const problem = {
      batch: "report",
      file: "batches.d/report/x",
      line: null,
      column: null,
      path: null,
      code: "special-file" as const,
      message: "x",
      hint: null,
    };
    expect(parseBatch({ ...folderOf(null, null), problems: [problem] }, options).problems).toEqual([problem]);
  });

  test.each(["", "-a", "a-", "A", "a.b", "a b", "a/b", "é", "a".repeat(64), "x\n"])("the name %j is none", (name) => {
    expect(parseBatch(folderOf(due, "echo\n", name), options).problems.map(({ code }) => code)).toContain("bad-name");
  });

  test.each(["a", "0", "a-b", "a--b", "a".repeat(63)])("the name %j is one", (name) => {
    expect(parseBatch(folderOf(due, "echo\n", name), options).problems).toEqual([]);
  });
});

test.each([
  ["env: {DB_PASSWORD:hunter2}\n", "env.DB_PASSWORD…", "write key: value, with a space after the colon"],
  ["env: {DB_PASSWORD=hunter2, A: b}\n", "env.DB_PASSWORD…", "write key: value, with a space after the colon"],
  ["env: {'DB_PASSWORD hunter2': 5}\n", "env.DB_PASSWORD…", null],
  ["env: {'BATCH_X:hunter2': a}\n", "env.BATCH_X…", null],
  ["env: {P:hunter2: a, P:hunter2: b}\n", "env.P…", null],
  ["notify: {webhook:https://h/hunter2}\n", "notify.webhook…", "write key: value, with a space after the colon"],
  ["env:\n  - @hunter2\n", null, "quote it"],
  ["env:\n  cron: @hunter2\n", null, "quote it"],
  ["notify:\n  webhook:\n    - @https://h/hunter2\n", null, "quote it"],
])("a secret in the wrong place is shown nowhere: %j", (text, path, hint) => {
  const { problems } = judge(text);
  expect(JSON.stringify(problems)).not.toContain("hunter2");
  if (path !== null) expect(problems.map((problem) => problem.path)).toContain(path);
  if (hint !== null) expect(problems.map((problem) => problem.hint)).toContain(hint);
});

test("addresses that nobody can be reached at are told with their place, webhooks without what may be a secret", () => {
  const on = `${due}notify:\n  `;
  expect(short(`${on}webhook: [https://a.example/x, "http://[half/secret"]\n`)).toEqual([
    "3:34 schema notify.webhook[1]",
  ]);
  expect(JSON.stringify(judge(`${on}webhook: ["http://[half/secret"]\n`).problems)).not.toContain("secret");
  for (const bad of [
    "ops",
    '"@example.org"',
    "ops@",
    "a@b@c",
    '"a b@c"',
    '"a@b.c\\nBcc: x@y.z"',
    '"a@b.c\\0"',
    '"<a@b.c>"',
  ])
    expect(short(`${on}mail: [${bad}]\n`), bad).toEqual(["3:10 schema notify.mail[0]"]);
  for (const bad of ["file:///etc/passwd", "//a.example", '"https://a.example/\\nx"', "javascript:x"])
    expect(short(`${on}webhook: [${bad}]\n`), bad).toEqual(["3:13 schema notify.webhook[0]"]);
  expect(judge(`${on}mail: [börse@exämple.org]\n`).batch?.notify?.mail).toEqual(["börse@exämple.org"]);
  expect(judge(`${due}notify: {on: [failure]}\n`).batch?.notify).toBeNull();
});

describe("hostile input", () => {
  test.each([
    ["deep lists", "[".repeat(100_000)],
    ["deep maps", "a: {".repeat(20_000)],
    ["deep indentation", Array.from({ length: 600 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
    [
      "many keys",
      Array.from({ length: 40_000 }, (_, i) => `k${i}:`)
        .join("\n")
        .slice(0, 250_000),
    ],
    ["many documents", "---\n".repeat(50_000)],
    ["many tabs", "\ta\n".repeat(50_000)],
    ["many stars", `cron: ${"* ".repeat(100_000)}`],
    [
      "many entries of an enum",
      `${due}notify: { on: [${Array.from({ length: 40_000 }, (_, i) => i).join(",")}] }`.slice(0, 250_000),
    ],
    [
      "many anchors",
      Array.from({ length: 10_000 }, (_, i) => `k${i}: &a${i} x`)
        .join("\n")
        .slice(0, 250_000),
    ],
    [
      "JavaScript's own words",
      "timeZone: { toString: 1, valueOf: 2 }\nenv: { A: { toString: 1 } }\n__proto__: { cron: 1 }\nkeep: { constructor: 1 }\n",
    ],
  ])("%s end in problems, soon", (_, text) => {
    const begun = performance.now();
    expect(judge(text).batch).toBeNull();
    expect(performance.now() - begun).toBeLessThan(15_000);
  });

  test("never throws: 500 mutated files and 500 files of random bytes", () => {
    const random = generator(20261124);
    const seeds = [
      'description: "a: b"\ntags: [a, b]\nenabled: true\ncron: ["0 8 * * 1-5", "@daily"]\ntimeZone: Europe/Paris\nenv: { A: "1" }\nkeep: { executions: 5, age: 1d }\n',
      "cron:\n  - '*/5 * * * *'\nretry:\n  limit: 3\n  delay: 10s\nenv: &e\n  A: |\n    text\n  B: *e\n",
      "after: [a, b]\nnotify:\n  on: [failure]\n  mail: [a@b.c]\nenvFile: /x\njitter: 5m\ntimeout: 30\n",
    ];
    const pieces = [
      "\t",
      "\r\n",
      ": ",
      "- ",
      "*",
      "&a ",
      "*a",
      "!x ",
      "{",
      "}",
      "[",
      "]",
      '"',
      "'",
      "\\",
      "#",
      "|",
      ">",
      "%",
      "@",
      "\0",
      "\uFEFF",
      "\u2028",
      "---\n",
      "...\n",
      "<<",
      "null",
      "yes",
      "1e999",
      "  ",
      "é",
      "\ud800",
      "? ",
      "toString",
      "__proto__",
    ];
    const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)] as T;
    for (let round = 0; round < 500; round++) {
      let text = pick(seeds);
      for (let edits = 1 + Math.floor(random() * 6); edits > 0; edits--) {
        const at = Math.floor(random() * text.length);
        text = text.slice(0, at) + pick(pieces) + text.slice(at + Math.floor(random() * 4));
      }
      check(text);
      check(
        Uint8Array.from({ length: Math.floor(random() * 300) }, () =>
          Math.floor(random() * (round % 2 === 0 ? 256 : 127)),
        ),
      );
    }

    function check(content: string | Uint8Array): void {
      const { batch, problems } = judge(content, content);
      expect(batch === null).toBe(problems.length > 0);
      const lines = (typeof content === "string" ? content : new TextDecoder().decode(content)).split("\n").length;
      for (const { line, column } of problems) {
        if (line === null) continue;
        expect(line).toBeGreaterThan(0);
        expect(line).toBeLessThanOrEqual(lines);
        expect(column).toBeGreaterThan(0);
      }
    }
  });
});

describe("notes", () => {
  const now = Date.parse("2026-11-24T12:00:00Z");
  const notes = (text: string) =>
    notesOf(judge(text), now).map(({ line, column, message }) => `${line}:${column} ${message}`);

  test("days that mean OR are told at their own pattern", () => {
    const found = notes('cron:\n  - "0 0 * * *"\n  - "0 0 13 * 5"\n');
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^3:5 "0 0 13 \* 5": day-of-month and day-of-week/);
  });

  test("clock changes are told when they touch it", () => {
    const found = notes('cron: "30 2 * * *"\ntimeZone: Europe/Paris\n');
    expect(found).toHaveLength(2);
    expect(found[0]).toMatch(/^1:7 2027-03-28: clocks in Europe\/Paris go forward/);
    expect(notes('cron: "30 12 * * *"\ntimeZone: Europe/Paris\n')).toEqual([]);
    expect(notes('enabled: false\ncron: "30 2 * * *"\ntimeZone: Europe/Paris\n')).toEqual([]);
  });

  test("a single start that is past", () => {
    expect(notes('cron: "2026-01-05T09:30:00"\n')[0]).toMatch(/past/);
    expect(notes("cron: 5\n")).toEqual([]);
  });
});

/** mulberry32: numbers in [0, 1), the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

test("an old Latin-1 script is a batch like any other; a batch.yaml in Latin-1 is not", () => {
  const latin = Uint8Array.from([...'echo "caf'].map((c) => c.charCodeAt(0)).concat([0xe9, 0x22, 0x0a]));
  expect(parseBatch(folderOf('cron: "@daily"\n', latin), { timeZone: "UTC" }).problems).toEqual([]);
  expect(parseBatch(folderOf(latin), { timeZone: "UTC" }).problems).toMatchObject([
    { code: "not-text", line: 1, column: 10 },
  ]);
});

test.each([
  ["http://h:25/x", 1],
  ["http://h:6000/", 1],
  ["https://h:99999/", 1],
  ["http://[::1/", 1],
  ["http://h:8080/", 0],
  ["https://robot:100%@h/x", 0],
])("a webhook at %s is called, or is a problem", (url, count) =>
  expect(judge(`${due}notify: {webhook: ["${url}"]}\n`).problems).toHaveLength(count),
);

test.each([
  ["", "echo x\n", "file"],
  ["output: file\n", "echo x > /dev/stdout\n", "file"],
  ["output: pipe\n", "echo x\n", "pipe"],
])("%j with %j: output by a %s", (settings, script, output) => {
  expect(judge(`${due}${settings}`, script).batch?.output).toBe(output);
});
