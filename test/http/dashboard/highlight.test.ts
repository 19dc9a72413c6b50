import fc from "fast-check";
import { expect, test } from "vitest";
import { highlight } from "../../../agent/http/dashboard/highlight.ts";

/** `kind:text` of everything that is not plain. */
const marked = (path: string, text: string) =>
  highlight(path, text).map((line) =>
    line.flatMap(({ kind, text: part }) => (kind === "plain" ? [] : [`${kind}:${part}`])).join(" "),
  );

test.each([
  ["script.sh", "# why", "comment:# why"],
  ["script.sh", "echo a#b ${#x} # c", "variable:${#x} comment:# c"],
  ["script.sh", `for i in 1 2; do echo "$i"; done`, `keyword:for keyword:in keyword:do string:"$i" keyword:done`],
  ["script.sh", "echo $HOME ${A:-b} $? 'it''s'", "variable:$HOME variable:${A:-b} variable:$? string:'it' string:'s'"],
  ["script.sh", "don't stop", ""],
  ["script.sh", "./done --for x.fi", ""],
  ["run", "#!/bin/bash\nexit 1", "comment:#!/bin/bash|keyword:exit"],
  ["data.csv", "for,in,do", ""],
  ["batch.yaml", 'cron: "0 2 * * *" # night', 'key:cron string:"0 2 * * *" comment:# night'],
  ["batch.yaml", "retry: {limit: 3, codes: all}", "key:retry key:limit keyword:3 key:codes"],
  ["batch.yaml", "enabled: false\nenv:\n  A_B: x:y", "key:enabled keyword:false|key:env|key:A_B"],
])("%s: %s", (path, text, want) => {
  expect(marked(path, text).join("|")).toBe(want);
});

test("no character is lost or made up, whatever the text", () => {
  fc.assert(
    fc.property(fc.constantFrom("a.sh", "b.yaml", "c"), fc.string({ maxLength: 400 }), (path, text) => {
      const back = highlight(path, `${text}\n`).map((line) => line.map((token) => token.text).join(""));
      expect(back.join("\n")).toBe(text);
    }),
  );
});

test("takes no time that grows faster than the text", () => {
  const started = performance.now();
  for (const text of [
    '"\\'.repeat(200_000),
    "${".repeat(200_000),
    "a: {".repeat(200_000),
    `${"'\"".repeat(490)}\n`.repeat(500),
  ])
    for (const path of ["a.sh", "b.yaml"]) highlight(path, text);
  expect(performance.now() - started).toBeLessThan(3_000);
});
