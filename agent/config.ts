// Settings of the agent from flags and environment, defaults in one table. Pure: both are passed in.
import {
  defaultMaxParallel,
  kubernetesOptions,
  readKubernetesConfig,
  type KubernetesConfig,
} from "./runners/kubernetes/options.ts";
import { isGitPath, validateGitRef, validateGitUrl } from "./sources/git-remote.ts";
import type { MachineZone } from "./schedule/machine-zone.ts";
import { UsageError } from "./errors.ts";
import { OptionReader } from "./option-reader.ts";
import { trimEndOf } from "./text/trim.ts";

export interface Config {
  data: string;
  host: string;
  port: number;
  maxParallel: number;
  resyncMs: number;
  poll: boolean;
  graceMs: number;
  timeZone: string;
  /** Holds what people must know of the machine's own zone; null where it is not used, or is plainly what libc has. */
  timeZoneNote: string | null;
  /** Bytes a log. */
  logLimitBytes: number;
  keepRemovedMs: number;
  /** Bytes of all logs together; null for as many as there are. */
  keepLogsBytes: number | null;
  /** Most entries of an archive, and most bytes it may unpack to. */
  archiveEntries: number;
  archiveBytes: number;
  /** Path of the file that holds the token all requests must bear; null: none. */
  tokenFile: string | null;
  /** Tells where people reach the agent, for links in messages; null: where it listens. No `/` at its end. */
  baseUrl: string | null;
  /** SMTP server as a URL; null: no mail. */
  smtpUrl: string | null;
  /** Path of the file that holds that URL, so that its password is in no environment; null: none. */
  smtpUrlFile: string | null;
  mailFrom: string | null;
  /** Path of the file that holds the secret webhooks are signed with; null: unsigned. */
  webhookSecretFile: string | null;
  /** Who hears of the agent's own problems. */
  notifyMail: readonly string[];
  notifyWebhook: readonly string[];
  /** Remote repository to follow; null: the folder is followed as it is. */
  git: {
    url: string;
    ref: string | null;
    path: string;
    intervalMs: number;
    /** Path of an allowed-signers file; null: signatures do not count. */
    verify: string | null;
  } | null;
  /** null where scripts run on this machine. */
  kubernetes: KubernetesConfig | null;
  logLevel: string;
}

/** Describes what the machine brings to the defaults. */
export interface Machine {
  cores: number;
  zone: MachineZone;
}

export interface Option {
  /** Long flag without dashes; the environment variable is BATCH_AGENT_ and its upper-case form. */
  name: string;
  /** Placeholder of the value; null for a flag without one. */
  value: string | null;
  description: string;
  fallback: string;
  /** True where it may be given often; the values are put together with commas. */
  repeatable?: boolean;
}

/** Every option of `run`, as flag and as environment variable. */
export function runOptions(machine: Machine): readonly Option[] {
  return [
    { name: "data", value: "folder", description: "where history, logs and revisions are kept", fallback: "data" },
    { name: "host", value: "address", description: "address to serve HTTP on", fallback: "127.0.0.1" },
    { name: "port", value: "number", description: "port to serve HTTP on; 0 takes a free one", fallback: "8080" },
    {
      name: "max-parallel",
      value: "number",
      description: `how many executions run at once: 4 a core, ${defaultMaxParallel} with --runner kubernetes`,
      fallback: String(4 * machine.cores),
    },
    {
      name: "resync",
      value: "duration",
      description: "how often the whole folder is looked over, as a safety net",
      fallback: "60s",
    },
    {
      name: "poll",
      value: null,
      description: "look for changes at intervals, for network mounts that give no events",
      fallback: "false",
    },
    {
      name: "grace",
      value: "duration",
      description: "how long running executions get to end when the agent is stopped",
      fallback: "25s",
    },
    {
      name: "time-zone",
      value: "name",
      description: "zone of batches that name none",
      fallback: machine.zone.timeZone,
    },
    {
      name: "log-limit",
      value: "size",
      description: "how long each log of an execution may be; one that writes more is ended",
      fallback: "1GiB",
    },
    {
      name: "keep-removed",
      value: "duration",
      description: "how long the data of a removed batch is kept",
      fallback: "30d",
    },
    {
      name: "keep-logs",
      value: "size",
      description: "how long all logs together may be; above it those of the oldest executions go",
      fallback: "",
    },
    {
      name: "archive-entries",
      value: "number",
      description: "how many entries an archive may have",
      fallback: "10000",
    },
    { name: "archive-bytes", value: "size", description: "how much an archive may unpack to", fallback: "256MiB" },
    {
      name: "token-file",
      value: "file",
      description: "holds the token that every request must bear; none without it",
      fallback: "",
    },
    {
      name: "base-url",
      value: "url",
      description: "where people reach the dashboard, for links; below its path, if it has one, all is served",
      fallback: "",
    },
    {
      name: "smtp-url",
      value: "url",
      description: "SMTP server for mail, smtp:// or smtps://; no mail without it",
      fallback: "",
    },
    {
      name: "smtp-url-file",
      value: "file",
      description: "holds the SMTP server's URL, so that its password is in no environment",
      fallback: "",
    },
    { name: "mail-from", value: "address", description: "sender of mails", fallback: "" },
    {
      name: "webhook-secret-file",
      value: "file",
      description: "holds the secret that webhooks are signed with; unsigned without it",
      fallback: "",
    },
    {
      name: "notify-mail",
      value: "addresses",
      description: "who hears of the agent's own problems by mail, with commas between",
      fallback: "",
    },
    {
      name: "notify-webhook",
      value: "urls",
      description: "webhooks that hear of the agent's own problems, with commas between",
      fallback: "",
    },
    { name: "git-url", value: "url", description: "repository to follow instead of a folder", fallback: "" },
    { name: "git-ref", value: "ref", description: "branch or tag of it; its default branch without it", fallback: "" },
    { name: "git-path", value: "path", description: "folder of batches in it", fallback: "" },
    { name: "git-interval", value: "duration", description: "how often it is asked for news", fallback: "60s" },
    {
      name: "git-verify",
      value: "file",
      description: "keys that must have signed each commit, as git's allowed-signers file; none need be without it",
      fallback: "",
    },
    ...kubernetesOptions,
    { name: "log-level", value: "level", description: "debug, info, warn or error", fallback: "info" },
  ];
}

/** Returns the settings from flags, environment and defaults. Throws UsageError. */
export function readConfig(
  flags: Readonly<Record<string, string | boolean | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
  machine: Machine,
): Config {
  const fallbacks = new Map(runOptions(machine).map((option) => [option.name, option.fallback]));
  const options = new OptionReader({ flags, env, fallbacks });
  const kubernetes = readKubernetesConfig(options);
  return {
    data: options.text("data").value,
    host: options.text("host").value,
    port: options.integer("port", 0, 65_535),
    maxParallel:
      kubernetes !== null && !options.isGiven("max-parallel")
        ? defaultMaxParallel
        : options.integer("max-parallel", 1, 10_000),
    resyncMs: options.duration("resync", 1_000),
    poll: options.flag("poll"),
    graceMs: options.duration("grace", 0),
    timeZone: options.zone("time-zone"),
    timeZoneNote: options.isGiven("time-zone") ? null : machine.zone.note,
    logLimitBytes: options.size("log-limit", 1),
    keepRemovedMs: options.duration("keep-removed", 0),
    keepLogsBytes: options.optional("keep-logs") === null ? null : options.size("keep-logs", 1),
    archiveEntries: options.integer("archive-entries", 1, 1_000_000),
    archiveBytes: options.size("archive-bytes", 1),
    tokenFile: options.optional("token-file"),
    baseUrl: options.url("base-url", ["http:", "https:"]),
    ...readMailServer(options),
    mailFrom: options.optional("mail-from"),
    webhookSecretFile: options.optional("webhook-secret-file"),
    ...readAgentReceivers(options),
    git: readGit(options),
    kubernetes,
    logLevel: options.word("log-level", ["debug", "info", "warn", "error"]),
  };
}

function readMailServer(options: OptionReader): Pick<Config, "smtpUrl" | "smtpUrlFile"> {
  const [smtpUrl, smtpUrlFile] = [options.url("smtp-url", ["smtp:", "smtps:"]), options.optional("smtp-url-file")];
  if (smtpUrl !== null && smtpUrlFile !== null)
    throw new UsageError("it is either --smtp-url or --smtp-url-file", "take one of them out");
  return { smtpUrl, smtpUrlFile };
}

function readAgentReceivers(options: OptionReader): Pick<Config, "notifyMail" | "notifyWebhook"> {
  const listOf = (name: string) =>
    options
      .text(name)
      .value.split(/[\s,]+/)
      .filter((word) => word !== "");
  const [notifyMail, notifyWebhook] = [listOf("notify-mail"), listOf("notify-webhook")];
  const wrong = notifyMail.find((address) => !/^[^\s@<>,;:"]+@[^\s@<>,;:"]+$/.test(address));
  if (wrong !== undefined)
    throw new UsageError(`${options.text("notify-mail").from}: "${wrong}" is not a mail address`);
  // A webhook's address may hold a secret: it is not repeated.
  if (!notifyWebhook.every((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)))
    throw new UsageError(
      `${options.text("notify-webhook").from}: this is not a URL that begins with https:// or http://`,
    );
  if (notifyMail.length > 0 && options.optional("smtp-url") === null && options.optional("smtp-url-file") === null)
    throw new UsageError("--notify-mail needs --smtp-url", "name the mail server, or take --notify-webhook");
  return { notifyMail, notifyWebhook };
}

function readGit(options: OptionReader): Config["git"] {
  const gitUrl = options.optional("git-url");
  const [ref, path, intervalMs] = [
    options.optional("git-ref"),
    trimEndOf(options.text("git-path").value, "/"),
    options.duration("git-interval", 1_000),
  ];
  const verify = options.optional("git-verify");
  if (gitUrl !== null) {
    const wrongUrl = validateGitUrl(gitUrl); // it may hold a password and is not repeated
    if (wrongUrl !== null)
      throw new UsageError(`${options.text("git-url").from}: this cannot be followed: ${wrongUrl}`);
    const wrongRef = ref === null ? null : validateGitRef(ref);
    if (wrongRef !== null) throw new UsageError(`${options.text("git-ref").from}: "${ref}": ${wrongRef}`);
    if (!isGitPath(path))
      throw new UsageError(
        `${options.text("git-path").from}: "${path}" is not a folder within the repository`,
        "name it from its top, as in jobs/nightly",
      );
    return { url: gitUrl, ref, path, intervalMs, verify };
  }
  if (ref !== null || path !== "") throw new UsageError("--git-ref and --git-path need --git-url");
  if (verify !== null)
    throw new UsageError("--git-verify needs --git-url", "a folder that somebody else checks out is taken as it is");
  return null;
}
