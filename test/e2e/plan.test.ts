// plan, as typed, against a running agent and against a folder.
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { freePort, type } from "../helpers/cli.ts";
import { eventually } from "../helpers/tmp.ts";

const limit = 120_000;

test(
  "what a branch would change in the agent that runs, and nothing once it is there",
  { timeout: limit },
  async () => {
    const place = workplace();
    place.put("kept", 'cron: "0 2 * * *"\ntimeZone: UTC\n', "true");
    place.put("moved", 'cron: "0 2 * * *"\ntimeZone: UTC\nenv: { TOKEN: hunter2 }\n', "true");
    place.put("dropped", 'cron: "@yearly"\n', "true");
    place.put("follower", "after: moved\n", "true");
    place.put("here", 'cron: "0 5 * * *"\n', "true");
    const agent = await startAgent(place, ["--time-zone", "Asia/Kathmandu"]);
    const branch = join(place.home, "branch");
    cpSync(place.batches, branch, { recursive: true });
    const say = (...args: string[]) => type(place.home, ["plan", "branch", "--against", agent.url, ...args]);
    expect(await say()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("0 added, 0 removed, 0 changed, 5 unchanged; no problems") as string,
    });

    rmSync(join(branch, "dropped"), { recursive: true });
    writeFileSync(
      join(branch, "moved/batch.yaml"),
      'cron: "0 3 * * *"\ntimeZone: UTC\nenabled: false\nenv: { TOKEN: hunter3, OTHER: x }\n',
    );
    cpSync(join(branch, "kept"), join(branch, "added"), { recursive: true });
    writeFileSync(join(branch, "added/script.sh"), "echo new\n");
    const text = await say();
    expect(text).toMatchObject({ code: 0, stderr: "" });
    expect(text.stdout).not.toContain("hunter");
    const json = JSON.parse((await say("--format", "json")).stdout) as Record<
      string,
      { name: string; settings: { key: string }[]; revision: { from: string; to: string } }[]
    >;
    const names = (list: string) => json[list]?.map(({ name }) => name);
    expect([names("added"), names("removed"), names("changed"), names("affected")]).toEqual([
      ["added"],
      ["dropped"],
      ["moved"],
      ["follower"],
    ]);
    expect(json["changed"]?.[0]?.settings.map(({ key }) => key)).toEqual(["cron", "enabled", "env.OTHER"]);
    expect(json["changed"]?.[0]?.revision.from).toBe((await agent.batch("moved")).revision);

    // A batch without a zone is due in the agent's, wherever the plan is made.
    writeFileSync(join(branch, "here/batch.yaml"), 'cron: "0 6 * * *"\n');
    const here = (
      JSON.parse((await say("--format", "json")).stdout) as {
        changed: { name: string; next: { from: string[]; to: string[] } }[];
      }
    ).changed.find(({ name }) => name === "here");
    expect([here?.next.from[0]?.slice(11, 16), here?.next.to[0]?.slice(11, 16)]).toEqual(["23:15", "00:15"]);
    cpSync(join(place.batches, "here"), join(branch, "here"), { recursive: true });

    // Against the folder itself it is the same plan, the hidden value apart.
    const twin = JSON.parse(
      (await type(place.home, ["plan", "branch", "--against", "batches.d", "--format", "json"])).stdout,
    ) as typeof json;
    expect(twin["changed"]?.[0]?.settings.map(({ key }) => key)).toEqual(["cron", "enabled", "env.OTHER", "env.TOKEN"]);
    expect(twin["added"]?.map(({ name }) => name)).toEqual(["added"]);

    // The revisions foretold are those that come to be.
    for (const name of ["moved", "added"]) cpSync(join(branch, name), join(place.batches, name), { recursive: true });
    place.drop("dropped");
    await eventually(async () => (await agent.batch("moved")).revision === json["changed"]?.[0]?.revision.to);
    await eventually(async () => (await say()).stdout.includes("0 added, 0 removed, 0 changed, 5 unchanged"), 60_000);

    writeFileSync(join(branch, "follower/batch.yaml"), "after: nobody\n");
    const broken = await say();
    expect(broken.code).toBe(1);
    expect(broken.stdout).toContain("chained → invalid");
    expect(broken.stdout).toContain("branch/follower/batch.yaml:1:8: unknown-batch: there is no batch nobody");
  },
);

test("without an agent all is new; one that is asked for must be there", { timeout: limit }, async () => {
  const place = workplace();
  place.put("a", 'cron: "@yearly"\n', "true");
  const url = `http://127.0.0.1:${await freePort()}`;
  const alone = await type(place.home, ["plan"], { env: { BATCH_AGENT_URL: url } });
  expect(alone).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("1 added, 0 removed") as string,
    stderr: expect.stringContaining("everything counts as new") as string,
  });
  expect(await type(place.home, ["plan", "--against", url])).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining("no agent answers") as string,
  });
  expect(await type(place.home, ["plan", "--against", "nowhere"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("cannot read nowhere") as string,
  });
});
