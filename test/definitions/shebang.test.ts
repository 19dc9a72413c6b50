import { describe, expect, test } from "vitest";
import { parseShebang } from "../../agent/definitions/shebang.ts";

describe("options of the first line", () => {
  const rows: { line: string; want: string[] }[] = [
    { line: "echo hello", want: [] },
    { line: "# !/usr/bin/python3", want: [] },
    { line: "", want: [] },
    { line: "#!/bin/bash", want: [] },
    { line: "#!/bin/sh", want: [] },
    { line: "#! /bin/bash -e", want: ["-e"] },
    { line: "#!/bin/sh -eux", want: ["-eux"] },
    { line: "#!/bin/bash -eu -o pipefail", want: ["-eu", "-o", "pipefail"] },
    { line: "#!/usr/local/bin/bash -euo pipefail", want: ["-euo", "pipefail"] },
    { line: "#!/bin/bash +e --norc", want: ["+e", "--norc"] },
    { line: "#!/bin/bash -", want: ["-"] },
    { line: "#!/usr/bin/env bash", want: [] },
    { line: "#!/usr/bin/env -S bash -e -u", want: ["-e", "-u"] },
    { line: "#!/usr/bin/env -Sbash -e", want: ["-e"] },
    { line: "#!/usr/bin/env sh", want: [] },
    { line: "#!/bin/bash -e\r", want: ["-e"] }, // the line ending is a problem of its own
  ];
  test.each(rows)("$line", ({ line, want }) => {
    expect(parseShebang(`${line}\necho\n`)).toEqual({ options: want });
  });
});

describe("what cannot be", () => {
  const rows: { line: string; message: RegExp; hint: RegExp }[] = [
    { line: "#!/usr/bin/env python3", message: /asks for python3, but/, hint: /exec python3 / },
    { line: "#!/usr/bin/perl -w", message: /asks for \/usr\/bin\/perl/, hint: /exec perl / },
    { line: "#!/bin/dash", message: /asks for \/bin\/dash/, hint: /#!\/bin\/bash/ },
    { line: "#!/bin/zsh", message: /asks for \/bin\/zsh/, hint: /#!\/bin\/bash/ },
    { line: "#!", message: /asks for nothing/, hint: /#!\/bin\/bash/ },
    { line: "#!/usr/bin/env", message: /asks for nothing/, hint: /#!\/bin\/bash/ },
    { line: "#!/usr/bin/env -S LANG=C bash", message: /asks for LANG=C/, hint: /#!\/bin\/bash/ },
    { line: "#!/bin/bash -e # strict", message: /the argument "#"/, hint: /only options/ },
    { line: "#!/bin/bash -c", message: /the argument "-c"/, hint: /only options/ },
    { line: "#!/bin/bash other.sh", message: /the argument "other.sh"/, hint: /only options/ },
  ];
  test.each(rows)("$line", ({ line, message, hint }) => {
    expect(parseShebang(`${line}\n`)).toMatchObject({
      fault: {
        code: "shebang",
        place: { line: 1, column: 1 },
        message: expect.stringMatching(message) as string,
        hint: expect.stringMatching(hint) as string,
      },
    });
  });
});
