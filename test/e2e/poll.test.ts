// --poll, for mounts that tell of no change: the built agent watches nothing and follows all the same.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent, workplace } from "../helpers/agent.ts";
import { canMount, smallDisk } from "../helpers/disk.ts";
import { eventually } from "../helpers/tmp.ts";

/** The system's watches that a process holds. */
function watches(pid: number): number {
  const descriptors = readdirSync(`/proc/${pid}/fdinfo`).map((fd) => {
    try {
      return readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8");
    } catch {
      return ""; // closed meanwhile
    }
  });
  return descriptors.join("").match(/^inotify wd/gm)?.length ?? 0;
}

test("without --poll there are watches to be seen", async () => {
  const agent = await startAgent(workplace());
  await eventually(() => watches(agent.child.pid ?? 0) > 0);
});

test.each([
  { root: "a folder", link: false, disk: false },
  { root: "a link to a folder", link: true, disk: false },
  { root: "a disk of its own", link: false, disk: true },
])(
  "--poll on $root: a batch is added, edited and removed, and nothing is watched",
  async ({ link, disk }) => {
    if (disk && !canMount) return;
    const place = workplace();
    const [one, two] = [join(place.home, "one"), join(place.home, "two")];
    if (disk) place.batches = smallDisk().path;
    if (link) {
      rmSync(place.batches, { recursive: true });
      [one, two].forEach((path) => mkdirSync(path));
      symlinkSync(one, place.batches);
    }
    const put = (yaml: string | null, script: string | null) => {
      mkdirSync(join(place.batches, "report"), { recursive: true });
      if (script !== null) writeFileSync(join(place.batches, "report/script.sh"), script);
      if (yaml !== null) writeFileSync(join(place.batches, "report/batch.yaml"), yaml);
    };
    const agent = await startAgent(place, ["--poll", "--resync", "1h"]);
    const pid = agent.child.pid ?? 0;
    put('cron: "0 4 * * *"\n', "echo one\n");
    const added = await eventually(async () =>
      ((batch) => batch.state === "scheduled" && batch)(await agent.batch("report")),
    );
    put(null, "echo two\n");
    const edited = await eventually(async () =>
      ((batch) => batch.revision !== added.revision && batch)(await agent.batch("report")),
    );
    put('cron: "0 5 * * *"\n', null);
    await eventually(async () =>
      ((batch) => batch.revision !== edited.revision && batch.next.join() !== added.next.join())(
        await agent.batch("report"),
      ),
    );
    if (link) {
      symlinkSync(two, `${place.batches}.next`);
      renameSync(`${place.batches}.next`, place.batches);
    } else rmSync(join(place.batches, "report"), { recursive: true });
    await eventually(async () => (await agent.batch("report")).state === "removed");
    const { details } = await agent.json<{ details: { watch: { mode: string; missedEvents: number } } }>("/readyz");
    expect(details.watch.mode).toBe("poll");
    expect(watches(pid)).toBe(0);
    expect((await agent.exit("SIGTERM")).code).toBe(0);
  },
  60_000,
);
