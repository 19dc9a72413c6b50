// Who is asked and as whom: a kubeconfig's current context, or the account of the agent's own pod.
import { trimEndOf } from "../../text/trim.ts";
import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { parse } from "yaml";
import { ConfigError, messageOf } from "../../errors.ts";
import { readPlainBytes } from "../../platform/files.ts";
import { list, object, text } from "./api.ts";

export interface ServerAccess {
  /** URL without a slash at its end. */
  server: string;
  /** The context's, or the pod's own; null where neither says. */
  namespace: string | null;
  ca: string | null;
  insecure: boolean;
  serverName: string | null;
  certificate: { cert: string; key: string } | null;
  /** A token as it stands, or the file to read it from, again and again: it rotates. */
  token: { value: string } | { file: string } | null;
}

const accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
const maxFileBytes = 1024 * 1024;

/**
 * Returns the access that `--kubeconfig`, `KUBECONFIG` or the pod's own account gives, in this order. Throws
 * ConfigError.
 */
export function findAccess(
  kubeconfig: string | null,
  env: Readonly<Record<string, string | undefined>>,
  folder = accountFolder,
): ServerAccess {
  const named = kubeconfig ?? (env["KUBECONFIG"] || null);
  if (named !== null) {
    const [path = "", ...others] = named.split(":").filter((one) => one !== "");
    if (others.length > 0)
      throw new ConfigError(
        "KUBECONFIG names several files",
        "merge them with `kubectl config view --flatten`, or name one with --kubeconfig",
      );
    return parseKubeconfig(readConfigFile(path, "kubeconfig"), path);
  }
  return inCluster(env, folder);
}

function inCluster(env: Readonly<Record<string, string | undefined>>, folder: string): ServerAccess {
  const [host, port] = [env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"] ?? "443"];
  const file = join(folder, "token");
  if (!host || !existsSync(file))
    throw new ConfigError(
      "--runner kubernetes: no cluster is known",
      "run the agent in a pod with a ServiceAccount, or name a file with --kubeconfig",
    );
  const namespace = existsSync(join(folder, "namespace"))
    ? readConfigFile(join(folder, "namespace"), "namespace").trim()
    : null;
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace,
    ca: readConfigFile(join(folder, "ca.crt"), "certificate of the cluster"),
    insecure: false,
    serverName: null,
    certificate: null,
    token: { file },
  };
}

/** `path`: where it lies; relative paths in it begin there. Throws ConfigError. */
export function parseKubeconfig(source: string, path: string): ServerAccess {
  let config: ReturnType<typeof object>;
  try {
    config = object(parse(source, { maxAliasCount: 100 }));
  } catch (error) {
    throw new ConfigError(`kubeconfig ${path} cannot be read: ${messageOf(error)}`);
  }
  const context = entry(config?.["contexts"], text(config?.["current-context"]), "context", path);
  const cluster = entry(config?.["clusters"], text(context["cluster"]), "cluster", path);
  const user = entry(config?.["users"], text(context["user"]), "user", path);
  refuse(cluster, user, path);
  const named = text(cluster["server"]);
  const server = named == null ? null : trimEndOf(named, "/");
  if (server === null || !URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol))
    throw new ConfigError(`kubeconfig ${path}: its cluster has no server that is a URL`);
  const data = (from: typeof user, key: string) => fileOrData(from, key, path);
  const [cert, key] = [data(user, "client-certificate"), data(user, "client-key")];
  const tokenFile = text(user["tokenFile"]);
  const token = text(user["token"]);
  return {
    server,
    namespace: text(context["namespace"]),
    ca: data(cluster, "certificate-authority"),
    insecure: cluster["insecure-skip-tls-verify"] === true,
    serverName: text(cluster["tls-server-name"]),
    certificate: cert === null || key === null ? null : { cert, key },
    // As kubectl has it: a token goes before a file.
    token: token !== null ? { value: token } : tokenFile === null ? null : { file: beside(path, tokenFile) },
  };
}

type Entry = Readonly<Record<string, unknown>>;

/** What would run a program, or send all through another host, is not done in silence. */
function refuse(cluster: Entry, user: Entry, path: string): void {
  const wrong = user["exec"] !== undefined ? "exec" : user["auth-provider"] !== undefined ? "auth-provider" : null;
  if (wrong !== null)
    throw new ConfigError(
      `kubeconfig ${path}: its user has \`${wrong}\`, which batch-agent does not run`,
      "give it a token, a tokenFile or a client certificate, such as those of a ServiceAccount",
    );
  if (cluster["proxy-url"] !== undefined)
    throw new ConfigError(`kubeconfig ${path}: its cluster has \`proxy-url\`, which batch-agent does not use`);
}

function entry(entries: unknown, name: string | null, kind: string, path: string): Entry {
  const found = list(entries)
    .map(object)
    .find((one) => one?.["name"] === name);
  const value = object(found?.[kind]);
  if (name === null || value === null)
    throw new ConfigError(`kubeconfig ${path}: there is no ${kind} ${name === null ? "in use" : `\`${name}\``}`);
  return value;
}

function fileOrData(from: Entry, key: string, path: string): string | null {
  const data = text(from[`${key}-data`]);
  if (data !== null) return Buffer.from(data, "base64").toString("utf8");
  const file = text(from[key]);
  return file === null ? null : readConfigFile(beside(path, file), key);
}

function beside(path: string, file: string): string {
  return isAbsolute(file) ? file : join(dirname(path), file);
}

function readConfigFile(path: string, what: string): string {
  try {
    return readPlainBytes(path, maxFileBytes).toString("utf8");
  } catch (error) {
    throw new ConfigError(`${what} ${path} cannot be read: ${messageOf(error)}`);
  }
}
