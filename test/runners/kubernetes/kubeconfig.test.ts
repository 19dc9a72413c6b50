// Who is asked, and as whom.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findAccess, parseKubeconfig } from "../../../agent/runners/kubernetes/kubeconfig.ts";
import { temporaryFolder } from "../../helpers/tmp.ts";

const config = (cluster: object, user: object) =>
  JSON.stringify({
    "current-context": "here",
    contexts: [{ name: "here", context: { cluster: "c", user: "u", namespace: "jobs" } }],
    clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:6443/", ...cluster } }],
    users: [{ name: "u", user }],
  });
const base64 = (text: string) => Buffer.from(text).toString("base64");

test("the current context, with data or files beside it", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "ca.pem"), "CA");
  const path = join(folder, "config");
  expect(
    parseKubeconfig(
      config(
        { "certificate-authority": "ca.pem", "tls-server-name": "kube" },
        { "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY"), tokenFile: "token" },
      ),
      path,
    ),
  ).toEqual({
    server: "https://127.0.0.1:6443",
    namespace: "jobs",
    ca: "CA",
    insecure: false,
    serverName: "kube",
    certificate: { cert: "CERT", key: "KEY" },
    token: { file: join(folder, "token") },
  });
  expect(parseKubeconfig(config({ "insecure-skip-tls-verify": true }, { token: "t" }), path)).toMatchObject({
    insecure: true,
    token: { value: "t" },
  });
});

test.each([
  [config({}, { exec: { command: "aws" } }), "has `exec`"],
  [config({}, { "auth-provider": {} }), "has `auth-provider`"],
  [config({ "proxy-url": "http://proxy" }, {}), "has `proxy-url`"],
  [config({ server: "not a url" }, {}), "no server that is a URL"],
  [config({}, {}).replace('"here","contexts"', '"elsewhere","contexts"'), "there is no context `elsewhere`"],
  ["{", "cannot be read"],
  ["", "there is no context in use"],
])("refused: %s", (text, message) => {
  expect(() => parseKubeconfig(text, "/x/config")).toThrow(message);
});

test("a pod's own account, where no file is named", () => {
  const folder = temporaryFolder();
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
  expect(() => findAccess(null, env, folder)).toThrow("no cluster is known");
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of [
    ["token", "t"],
    ["ca.crt", "CA"],
    ["namespace", "batches\n"],
  ] as const)
    writeFileSync(join(folder, name), text);
  expect(findAccess(null, env, folder)).toMatchObject({
    server: "https://[fd00::1]:6443",
    namespace: "batches",
    ca: "CA",
    token: { file: join(folder, "token") },
  });
  expect(() => findAccess(null, { KUBECONFIG: "/a:/b" }, folder)).toThrow("several files");
});
