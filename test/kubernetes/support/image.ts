// A container image of bash and busybox from Debian, made on the spot: one layer, for scripts and for the sandbox.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const batchImage = "batch-agent.test/batch:1";
export const pauseImage = "batch-agent.test/pause:1";

/** Writes an archive that `ctr images import` reads; returns its path. */
export function makeImages(home: string): string {
  const root = join(home, "rootfs");
  for (const folder of ["bin", "etc", "tmp", "proc", "dev", "sys", "usr/bin"])
    mkdirSync(join(root, folder), { recursive: true });
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  copyFileSync("/bin/bash-static", join(root, "bin/bash"));
  for (const file of ["busybox", "bash"]) chmodSync(join(root, "bin", file), 0o755);
  for (const applet of execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).trim().split("\n"))
    if (applet !== "busybox" && applet !== "bash") symlinkSync("busybox", join(root, "bin", applet));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0::/:/bin/sh\nbatch:x:1000:1000::/tmp:/bin/sh\n");
  const folder = join(home, "image");
  mkdirSync(folder);
  execFileSync("tar", ["--owner=0", "--group=0", "-cf", join(folder, "layer.tar"), "-C", root, "."]);
  const diff = createHash("sha256")
    .update(readFileSync(join(folder, "layer.tar")))
    .digest("hex");
  const config = (name: string, entrypoint: string[]) => {
    writeFileSync(
      join(folder, name),
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: { Env: ["PATH=/bin:/usr/bin"], Entrypoint: entrypoint },
        rootfs: { type: "layers", diff_ids: [`sha256:${diff}`] },
        history: [{ created_by: "test" }],
      }),
    );
    return name;
  };
  const pause = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"];
  const manifest = [
    { Config: config("batch.json", ["/bin/sh"]), RepoTags: [batchImage], Layers: ["layer.tar"] },
    { Config: config("pause.json", pause), RepoTags: [pauseImage], Layers: ["layer.tar"] },
  ];
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  const archive = join(home, "images.tar");
  execFileSync("tar", ["-cf", archive, "-C", folder, "."]);
  return archive;
}
