// What people read: nothing that a script or a repository wrote acts as markup, as a header, or on a terminal.
import { describe, expect, test } from "vitest";
import type { Execution, NotifyDue } from "../../agent/model/execution.ts";
import type { BatchName } from "../../agent/model/ids.ts";
import { mailHtml, mailSubject, mailText, webhookBody, type Notice } from "../../agent/notify/message.ts";
import { plainLine, plainTail } from "../../agent/text/untrusted.ts";
import { execution, t0 } from "../helpers/make.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const tail = (text: string, lines = 50, before = 0) => plainTail(bytes(text), bytes(text).length + before, lines);

describe("the end of a log", () => {
  test.each([
    ["", []],
    ["a\nb\n", ["a", "b"]],
    ["a\n\nb", ["a", "", "b"]],
    ["a\r\nb\r\n", ["a", "b"]],
    ["10%\r50%\r100%\ndone\n", ["100%", "done"]],
    ["50%\r", ["50%"]],
    ["\x1b[31mred\x1b[0m \x1b[1;32mgreen\x1b[K\x1b(B\n", ["red green"]],
    ["\x1b]0;title\x07shown \x1b]8;;http://a.example\x1b\\link\x1b]8;;\x1b\\\n", ["shown link"]],
    ["a\0b\x07c\x7f\x9bd\te\n", ["abcd\te"]],
    ["safe\u202egpj.exe\u2028x\ufeff\n", ["safegpj.exex"]],
  ])("%j", (text, want) => expect(tail(text)).toEqual(want));

  test("only so many lines, and a first one that is cut is marked", () => {
    expect(tail("a\nb\nc\n", 2)).toEqual(["b", "c"]);
    expect(tail("alf\nb\n", 50, 10)).toEqual(["…alf", "b"]);
    expect(tail("alf\nb\nc\n", 2, 10)).toEqual(["b", "c"]);
    expect(plainTail(bytes("né").subarray(2), 100, 50)).toEqual(["…"]);
    expect(tail("x".repeat(5_000))[0]).toHaveLength(2_000);
  });

  test("one line of a text", () => expect(plainLine("a\nb\t\x1b[31mc\r\nBcc: x", 12)).toBe("a b c Bcc: x"));
});

type EndNotice = Notice & { execution: Execution };

function notice(
  fields: Partial<EndNotice> & { event?: NotifyDue["event"]; count?: number; since?: string } = {},
): EndNotice {
  const { event = "failure", count = 1, since, ...rest } = fields;
  return {
    due: { event, count, since: since ?? null },
    batch: "report",
    dueAt: new Date(t0).toISOString(),
    execution: {
      ...execution({ status: event === "failure" ? "failed" : "succeeded" }),
      durationMs: 83_000,
      attempt: 3,
    },
    description: "Nightly report",
    link: "https://batches.example.org/executions/01J",
    changed: null,
    stdout: [],
    stderr: [],
    ...rest,
  };
}

test.each([
  ["failure", "[batch-agent] report failed"],
  ["recovery", "[batch-agent] report recovered"],
  ["success", "[batch-agent] report succeeded"],
  ["unusual", "[batch-agent] report unusual"],
] as const)("the subject of %s", (event, subject) => expect(mailSubject(notice({ event }))).toBe(subject));

test("a failure's text holds what one can act on", () => {
  const given = notice({
    stderr: ["no such table"],
    stdout: Array.from({ length: 50 }, (_, i) => `row ${i}`),
    changed: { since: "2026-11-23T02:00:01.000Z", files: ["batch.yaml", "script.sh"] },
  });
  expect(mailText(given)).toBe(`report failed after 1m23s: exit code 1

Batch      report
About      Nightly report
Run        ${given.execution.run}
Execution  ${given.execution.id}
Trigger    cron, due 2026-11-24 12:00:00 UTC
Attempt    3
Ended      failed (exit): exit code 1
Exit code  1
Started    2026-11-24 12:00:00 UTC
Finished   2026-11-24 12:00:00 UTC
Duration   1m23s
Revision   aaaaaaaaaaaa
Changed    batch.yaml, script.sh, since the last success, 2026-11-23 02:00:01 UTC
Look       https://batches.example.org/executions/01J

stderr:
  no such table

stdout, the last 50 lines:
${given.stdout.map((line) => `  ${line}`).join("\n")}
`);
});

test("what was held back is counted", () => {
  const text = mailText(notice({ count: 60, since: "2026-11-24T11:00:00.000Z" }));
  expect(text).toContain(
    "60 failures since the last message, 2026-11-24 11:00:00 UTC; there is at most one an hour while it goes on.",
  );
  expect(mailText(notice({ event: "recovery", count: 60 }))).toContain(
    "report recovered: it succeeded after 1m23s, having failed 60 times",
  );
});

test("the last success' files: none, and many", () => {
  const since = "2026-11-23T02:00:01.000Z";
  expect(mailText(notice({ changed: { since, files: [] } }))).toContain("Changed    nothing since the last success");
  expect(mailText(notice({ changed: { since, files: Array.from({ length: 25 }, (_, i) => `f${i}`) } }))).toContain(
    "f19 and 5 more, since",
  );
});

test("HTML: everything is text", () => {
  const html = mailHtml(
    notice({
      description: '<img src=x onerror="alert(1)">',
      link: 'https://a.example/"><script>',
      stderr: ["</pre><script>alert('x')</script> & more"],
      changed: { since: "2026-11-23T02:00:01.000Z", files: ["<b>"] },
      execution: { ...execution({ status: "failed" }), message: "<i>spawn</i>" },
    }),
  );
  expect(html.match(/<(?!\/?(html|head|meta|title|body|p|strong|table|tr|th|td|a|pre|!doctype)\b)/g)).toBeNull();
  expect(html).toContain("&lt;/pre&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more");
  expect(html).toContain('href="https://a.example/&quot;&gt;&lt;script&gt;"');
});

test("a webhook gets exactly event, text and the execution as the API shows it", () => {
  const given = notice({
    stderr: ["<!channel> secret"],
    execution: {
      ...execution({ status: "failed", batch: "report" as BatchName }),
      boot: "b",

      notifyDue: { event: "failure", count: 1, since: null },
    },
  });
  const body = JSON.parse(webhookBody(given)) as { event: string; text: string; execution: Record<string, unknown> };
  expect(Object.keys(body)).toEqual(["event", "text", "execution"]);
  expect(body.event).toBe("failure");
  expect(body.text).toBe("report failed after 0s: exit code 1\nhttps://batches.example.org/executions/01J");
  expect(body.execution).toMatchObject({
    id: given.execution.id,
    status: "failed",
    exitCode: 1,
    trigger: { kind: "cron" },
  });
  expect(Object.keys(body.execution)).not.toEqual(expect.arrayContaining(["boot"]));
  expect(JSON.stringify(body)).not.toMatch(/notifyDue|followUpsDue|secret/);
});

test.each<[string, Notice, string]>([
  ["success", notice({ event: "success" }), "report succeeded after 1m23s"],
  [
    "recovery from one",
    notice({ event: "recovery" }),
    "report recovered: it succeeded after 1m23s, having failed once",
  ],
  [
    "late",
    notice({ event: "late" }),
    "report is late: it has not succeeded in time after it was due 2026-11-24 12:00:00 UTC",
  ],
  ["problem", notice({ event: "problem" }), "report has a problem in its definition"],
  ["missed", missed("missed 3 due times"), "report missed starts: missed 3 due times"],
  ["missed without words", missed(null), "report missed starts: due times passed without one"],
  ["unusual", unusual("too-fast"), "report succeeded, but far faster than it usually does (too-fast)"],
  ["slow", unusual("too-slow"), "report succeeded, but far slower than it usually does (too-slow)"],
  ["quiet", unusual("too-quiet"), "report succeeded, but it printed far less than it usually does (too-quiet)"],
  ["unusual in no known way", unusual(null), "report succeeded, but not as it usually does"],
  ["no message", failed(null, "lost"), "report failed: lost"],
  ["neither message nor reason", failed(null, null), "report failed: for no known reason"],
])("the first line: %s", (_name, given, want) => expect(mailText(given).split("\n")[0]).toBe(want));

function missed(message: string | null): Notice {
  return notice({ event: "missed", execution: { ...execution({ status: "aborted", reason: "missed" }), message } });
}
function unusual(unusual: Execution["unusual"]): Notice {
  return notice({ event: "unusual", execution: { ...execution({ status: "succeeded" }), durationMs: null, unusual } });
}
function failed(message: string | null, reason: Execution["reason"]): Notice {
  return notice({ execution: { ...execution({ status: "failed" }), durationMs: null, message, reason } });
}

test("late without an execution: what there is, and nothing of logs", () => {
  const given: Notice = { ...notice({ event: "late" }), execution: null, description: null };
  expect(mailText(given)).toBe(`report is late: it has not succeeded in time after it was due 2026-11-24 12:00:00 UTC

Batch      report
Due        2026-11-24 12:00:00 UTC
Execution  none yet
Look       https://batches.example.org/executions/01J
`);
  expect(mailHtml(given)).not.toContain("stderr");
  expect(JSON.parse(webhookBody(given))).toEqual({
    event: "late",
    text: `${mailText(given).split("\n")[0] ?? ""}\n${given.link}`,
    execution: null,
    batch: "report",
    dueAt: "2026-11-24T12:00:00.000Z",
  });
});

test("of one that runs, its status and no end", () => {
  const text = mailText(notice({ event: "late", execution: execution({ status: "running" }) }));
  expect(text).toContain("Status     running\n");
  expect(text).not.toMatch(/^(Ended|Finished|Duration|Exit code)/m);
  const never = mailText(notice({ event: "late", execution: { ...execution(), revision: null } }));
  expect(never).not.toMatch(/^(Started|Revision)/m);
});
