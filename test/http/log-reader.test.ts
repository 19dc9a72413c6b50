// Pieces of an execution's output for the viewer, held against the API's merged log: every line with its number, time
// and stream, wherever one begins to read.
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { transition } from "../../agent/executions/execution.ts";
import { systemClock } from "../../agent/platform/clock.ts";
import { serve } from "../helpers/http.ts";
import { execution, t0 } from "../helpers/make.ts";

interface Line {
  at: string;
  stream: "stdout" | "stderr";
  text: string;
}
interface Piece {
  lines: Line[];
  firstLine: number;
  start: number;
  end: number;
  size: number;
  next: string;
}

const iso = (second: number) => new Date(t0 + second * 1000).toISOString();

/** An ended execution whose logs were written in steps of bytes, not of lines. */
async function written(steps: readonly (readonly [string, string])[]) {
  const served = await serve();
  const row = await served.add(
    { ...execution({ status: "failed" }), finishedAt: iso(steps.length) },
    { stdout: steps.map(([out]) => out).join(""), stderr: steps.map(([, err]) => err).join("") },
  );
  const sizes = [0, 0];
  const times = steps.slice(0, -1).map((step, i) => {
    step.forEach((text, stream) => (sizes[stream] = (sizes[stream] ?? 0) + Buffer.byteLength(text)));
    return `${iso(i)} ${sizes[0]} ${sizes[1]}\n`;
  });
  writeFileSync(join(served.data, "batches", row.batch, "executions", row.id, "times"), times.join(""));
  const page = `/executions/${row.id}`;
  const json = async <T>(path: string) => (await (await served.app.request(path)).json()) as T;
  const piece = (view: string, where: string) => json<Piece>(`${page}/lines?log=${view}&${where}`);
  const merged = async () =>
    (await (await served.app.request(`/api${page}/log?format=ndjson`)).text())
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Line);
  return { piece, merged, json, page };
}

/** All lines, read backwards from the end, then forwards from the beginning. */
async function walk(piece: (where: string) => Promise<Piece>) {
  const back: Line[] = [];
  let at = await piece("");
  for (;;) {
    back.unshift(...at.lines);
    if (at.start === 0) break;
    const before = await piece(`before=${at.start}`);
    expect(before.firstLine + before.lines.length).toBe(at.firstLine);
    at = before;
  }
  expect(at.firstLine).toBe(1);
  const forth: Line[] = [];
  for (let end = 0; end < at.size;) {
    const next = await piece(`after=${end}`);
    if (next.lines.length > 0) expect(next.firstLine).toBe(forth.length + 1);
    forth.push(...next.lines);
    expect(next.end).toBeGreaterThan(end);
    end = next.end;
  }
  return { back, forth };
}

const text = fc
  .array(fc.constantFrom("a", "bc", "\n", "needle\n", "\u20ac", "\n\n", "x y\n"), { maxLength: 6 })
  .map((parts) => parts.join(""));

test("every line is there once, in the order of the merged log, with its number, time and stream", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 8 }), async (steps) => {
      const { piece, merged, json, page } = await written(steps);
      const want = await merged();
      const { back, forth } = await walk((where) => piece("merged", where));
      expect(back).toEqual(want);
      expect(forth).toEqual(want);
      for (const stream of ["stdout", "stderr"] as const) {
        const own = want.filter((line) => line.stream === stream);
        expect((await walk((where) => piece(stream, where))).back).toEqual(own);
      }
      for (let n = 1; n <= want.length; n++) {
        const { firstLine, lines } = await piece("merged", `line=${n}`);
        expect(lines[n - firstLine]).toEqual(want[n - 1]);
      }
      const numbers = want.flatMap((line, index) => (line.text.includes("needle") ? [index + 1] : []));
      expect(await json(`${page}/search?log=merged&q=needle`)).toEqual({ lines: numbers, more: false });
    }),
    { numRuns: 25 },
  );
});

test("a long output is read in pieces, and any line of it is found", async () => {
  const steps = Array.from({ length: 40 }, (_, i): [string, string] => [
    Array.from({ length: 400 }, (_x, n) => `out ${i} ${n} ${"x".repeat(n % 90)}\n`).join(""),
    i % 3 === 0 ? `err ${i}\n` : "",
  ]);
  const { piece, merged, json, page } = await written([...steps, ["", ""]]);
  const want = await merged();
  const { back, forth } = await walk((where) => piece("merged", where));
  expect(back).toEqual(want);
  expect(forth).toEqual(want);
  for (const n of [1, 2, 401, 402, 5_000, 16_013, 16_014]) {
    const { firstLine, lines } = await piece("merged", `line=${n}`);
    expect(lines[n - firstLine]).toEqual(want[n - 1]);
    expect(lines.length).toBeLessThanOrEqual(1_000);
  }
  const beyond = await piece("merged", "line=99999");
  expect(beyond.firstLine + beyond.lines.length - 1).toBe(want.length);
  const found = await json<{ lines: number[] }>(`${page}/search?log=merged&q=err 21`);
  expect(found.lines).toEqual([want.findIndex((line) => line.text === "err 21") + 1]);
});

test("lines longer than a piece are shown in part, and those around them whole", async () => {
  const { piece } = await written([[`first\n${"y".repeat(500_000)}\nlast\n`, ""]]);
  const { firstLine, lines } = await piece("merged", "line=2");
  expect(lines[2 - firstLine]?.text.length).toBeGreaterThan(10_000);
  expect(lines[3 - firstLine]?.text).toBe("last");
  expect((await piece("merged", "line=1")).lines[0]?.text).toBe("first");
});

test("what is written is followed from the end of a piece on, over a lost connection too, and ends", async () => {
  const { app, add, data, history } = await serve({ clock: systemClock });
  const row = await add(execution({ status: "running" }), { stdout: "a\npart", stderr: "E\n" });
  const folder = join(data, "batches", row.batch, "executions", row.id);
  const step = (out: number, err: number) => appendFileSync(join(folder, "times"), `${iso(out)} ${out} ${err}\n`);
  step(6, 2);
  const { lines, next } = (await (await app.request(`/executions/${row.id}/lines`)).json()) as Piece;
  expect(lines.map((line) => line.text)).toEqual(["a", "E"]);
  const seen: string[] = [];
  let from = next;
  const until = async (count: number) => {
    const response = await app.request(`/executions/${row.id}/follow`, { headers: { "Last-Event-ID": from } });
    const reader = response.body?.getReader();
    let held = "";
    while (seen.length < count) {
      const read = await reader?.read();
      if (read?.value === undefined) throw new Error(`it ended after ${seen.join()}`);
      const blocks = (held + Buffer.from(read.value as Uint8Array).toString()).split("\n\n");
      held = blocks.pop() ?? "";
      for (const block of blocks) {
        from = /^id: (.+)$/m.exec(block)?.[1] ?? from;
        const event = /^event: (.+)$/m.exec(block)?.[1];
        const line = /^data: (.+)$/m.exec(block)?.[1];
        seen.push(...(event === undefined ? (JSON.parse(line ?? "") as { lines: string[] }).lines : [event]));
      }
    }
    await reader?.cancel();
  };
  appendFileSync(join(folder, "stdout.log"), "ly\n");
  appendFileSync(join(folder, "stderr.log"), "F\n");
  step(9, 4);
  await until(2);
  expect(seen).toEqual(["partly", "F"]);
  appendFileSync(join(folder, "stdout.log"), `${"z".repeat(150_000)}\nafter\nopen`);
  step(150_019, 4);
  await until(4);
  expect(seen[2]?.slice(0, 5)).toBe("zzzzz");
  expect(seen[3]).toBe("after");
  const sizes = { stdoutBytes: 150_023, stderrBytes: 4 };
  await history.save(transition(row, { kind: "succeed", exitCode: 0, at: t0 + 60_000, bytes: sizes }));
  await until(6);
  expect(seen.slice(4)).toEqual(["open", "end"]);
});

test("who cannot keep up is sent to the end", async () => {
  const { app, add } = await serve({ clock: systemClock });
  const row = await add(execution({ status: "running" }), { stdout: "line\n".repeat(500_000) });
  const body = await (await app.request(`/executions/${row.id}/follow?from=0-0`)).text();
  expect(body).toMatch(/^event: behind$/m);
});

test.each(["before=x", "line=0", "log=both", "times=2", "after=-1"])("%s is a 400", async (query) => {
  const { app, add } = await serve();
  const row = await add(execution({ status: "failed" }), {});
  expect((await app.request(`/executions/${row.id}/lines?${query}`)).status).toBe(400);
});
