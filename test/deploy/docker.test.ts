// The image's files as far as they can be checked without a Docker daemon: what the compose file sets is known to the
// agent, what the Dockerfile copies is let through, and the health check tells a healthy agent from a dead one.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { runOptions } from "../../agent/config.ts";
import { environmentName } from "../../agent/option-reader.ts";
import { startAgent, workplace } from "../helpers/agent.ts";
import { root } from "../helpers/docs.ts";

const dockerfile = readFileSync(join(root, "Dockerfile"), "utf8");

test("compose: a read-only root, no capabilities, time to stop, and settings that the agent knows", () => {
  const { services } = parse(readFileSync(join(root, "deploy/docker/compose.yaml"), "utf8")) as {
    services: { agent: Record<string, unknown> & { environment: Record<string, string>; build: string } };
  };
  const { agent } = services;
  expect(agent).toMatchObject({
    read_only: true,
    cap_drop: ["ALL"],
    ports: ["127.0.0.1:8080:8080"],
    stop_grace_period: "40s",
  });
  const known = runOptions({ cores: 1, zone: { timeZone: "UTC", note: null } }).map(({ name }) =>
    environmentName(name),
  );
  expect(Object.keys(agent.environment).filter((name) => !known.includes(name))).toEqual([]);
  expect(existsSync(join(root, "deploy/docker", agent.build, "Dockerfile"))).toBe(true);
});

test("the image: no root, tini, and every file that it copies is there and let through", () => {
  expect(dockerfile).toMatch(/^USER 1000:1000$/m);
  expect(dockerfile).toMatch(/^ENTRYPOINT \["tini", "--", /m);
  const ignored = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
    ([, files]) => files?.split(" ") ?? [],
  );
  expect(copied.length).toBeGreaterThan(5);
  for (const file of copied) {
    expect(existsSync(join(root, file)), file).toBe(true);
    expect(ignored).toContain(`!${file}`);
  }
  const tools = readFileSync(join(root, "deploy/docker/tools.Dockerfile"), "utf8");
  expect(tools.trimEnd().split("\n").at(-1)).toBe("USER 1000:1000");
});

test("the health check is 0 for an agent that answers, and 1 once it is gone", async () => {
  const [, json] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(dockerfile) ?? [];
  const [command = "", ...words] = JSON.parse(json ?? "[]") as string[];
  const agent = await startAgent(workplace());
  const check = () =>
    new Promise<number | null>((done) => {
      const env = { PATH: process.env["PATH"] ?? "", BATCH_AGENT_PORT: new URL(agent.url).port };
      const child = execFile(command, words, { env }, () => done(child.exitCode));
    });
  expect(await check()).toBe(0);
  await agent.exit("SIGKILL");
  expect(await check()).toBe(1);
});
