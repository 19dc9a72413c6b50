// The shell beside a script in its pod, on this machine: it starts a script with all of its environment, or not at all.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { environmentFile } from "../../../agent/runners/kubernetes/environment.ts";
import { wrapper } from "../../../agent/runners/kubernetes/wrapper.ts";
import { temporaryFolder } from "../../helpers/tmp.ts";

function run(environment: string) {
  const home = temporaryFolder();
  const [folder, revision] = [join(home, "execution"), join(home, "revision")];
  for (const made of [folder, revision]) mkdirSync(made);
  writeFileSync(join(revision, "script.sh"), 'echo "$A-$B"; touch "$RAN"\n');
  writeFileSync(join(folder, "env"), environment.replace("<ran>", join(home, "ran")));
  const { status } = spawnSync("bash", ["--norc", "-p", "-c", wrapper, "batch-agent", folder, revision, "file", "0"], {
    stdio: "ignore",
  });
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return {
    status,
    ran: existsSync(join(home, "ran")),
    exit: read("exit"),
    out: read("stdout.log"),
    err: read("stderr.log"),
  };
}

const whole = environmentFile({ TZ: "UTC" }, { RAN: "<ran>", A: "1\n2", B: "" });

test("all of it", () => {
  expect(run(whole)).toEqual({ status: 0, ran: true, exit: "0\n", out: "1\n2-\n", err: "" });
});

test("a part of it, however long, starts nothing and says so", () => {
  for (let length = 0; length < whole.length; length++)
    expect(run(whole.slice(0, length)), `${length} of ${whole.length}`).toEqual({
      ...{ status: 126, ran: false, exit: "126\n", out: "" },
      err: "batch-agent: its environment is not whole\n",
    });
});
