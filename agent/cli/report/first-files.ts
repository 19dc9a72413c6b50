// Texts of the files that `init` writes. Pure.

export interface FirstFile {
  /** Folder below the folder of batches; "" for itself. */
  folder: string;
  name: string;
  text: string;
}

export const firstFiles: readonly FirstFile[] = [
  {
    folder: "",
    name: "_group.yaml",
    text: `# yaml-language-server: $schema=.schemas/group.schema.json
# Holds for every batch below; what a batch.yaml says itself wins.
description: First batches
defaults:
  timeout: 10m
  keep: { executions: 200, age: 90d }
`,
  },
  {
    folder: "hello",
    name: "batch.yaml",
    text: `# yaml-language-server: $schema=../.schemas/batch.schema.json
description: Counts some fruit, every minute.
cron: "* * * * *"
params:
  BASKETS: "3" # batch-agent trigger hello --param BASKETS=5
`,
  },
  {
    folder: "hello",
    name: "script.sh",
    text: `#!/bin/bash -eu
# What goes to stdout and stderr is kept as the logs of this execution; an exit code other than 0 is a failure.
echo "hello from $BATCH_NAME, due at $BATCH_DUE_AT" >&2
for basket in $(seq "$BASKETS"); do
  echo "apples,$((RANDOM % 10 + basket))"
  echo "pears,$((RANDOM % 10 + basket))"
done
`,
  },
  {
    folder: "hello-report",
    name: "batch.yaml",
    text: `# yaml-language-server: $schema=../.schemas/batch.schema.json
description: Adds up what hello has counted.
after: hello # starts whenever hello has succeeded
input: previous # and reads what it wrote
`,
  },
  {
    folder: "hello-report",
    name: "script.sh",
    text: `#!/bin/bash -eu
# $BATCH_STATE_DIR is this batch's own folder and lasts from run to run.
count=$(($(cat "$BATCH_STATE_DIR/count" 2>/dev/null || echo 0) + 1))
echo "$count" >"$BATCH_STATE_DIR/count"
echo "report $count:"
awk -F, '{ sum[$1] += $2 } END { for (fruit in sum) print "  " fruit ": " sum[fruit] }' | sort
`,
  },
];

/** Lines of a .gitignore: what an agent that is started here leaves behind. */
export const ignored: readonly string[] = ["# batch-agent: its data, and settings with secrets", "data/", ".env"];

/** A GitHub workflow that checks the folder `place`, a path below the top of the work tree; "" for the top itself. */
export function workflowText(place: string): string {
  const folder = place === "" ? "." : place;
  return `# Every problem of the batches on its line of the pull request.
name: batches
on:
  push:
    branches: [main]
  pull_request:
permissions:
  contents: read
env:
  # What npm installs: a name in your registry, a tarball, or git+https:// and so on. A variable of the repository, as
  # the name batch-agent may be somebody else's in a public registry.
  BATCH_AGENT_PACKAGE: \${{ vars.BATCH_AGENT_PACKAGE }}
jobs:
  validate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 24
      - run: npm install --global "\${BATCH_AGENT_PACKAGE:?set this variable of the repository}"
      - run: |
          batch-agent validate ${quoted(folder)} --format github
`;
}

/** One word of a shell, on a line of YAML that is not quoted. */
function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
