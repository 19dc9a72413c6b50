// Opens the ways by which people are told: the outbox, what carries its messages away, and the loop that fills it.
import { hostname } from "node:os";
import type { Clock } from "../async/clock.ts";
import type { InForce } from "../definitions/in-force.ts";
import type { HistoryReader, Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { LogStore } from "../logs/port.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution } from "../model/execution.ts";
import { createDeliveries, type Deliveries } from "./deliveries.ts";
import { readSmtpUrl } from "./mail-url.ts";
import type { Notice } from "./message.ts";
import { createNotifier, type NotifierLoop } from "./notifier.ts";
import { createOutbox } from "./outbox.ts";
import { createPinger } from "./ping.ts";
import { openWebhookCaller } from "./webhook.ts";

export interface NotificationsDeps {
  dataDir: string;
  version: string;
  config: {
    smtpUrl: string | null;
    smtpUrlFile: string | null;
    mailFrom: string | null;
    webhookSecretFile: string | null;
  };
  clock: Clock;
  log: Logger;
  recorder: Recorder;
  reader: HistoryReader;
  logs: LogStore;
  inForce: InForce;
  linkTo: (execution: Execution) => string;
  changedSince: (execution: Execution) => Promise<Notice["changed"]>;
}

export interface Notifications {
  notifier: NotifierLoop;
  deliveries: Deliveries;
  /** Returns the names of batches that ask for mail where none can be sent. */
  unsentMail: () => string[];
}

/** Throws ConfigError for an address or a secret that cannot be used. */
export async function openNotifications(deps: NotificationsDeps): Promise<Notifications> {
  const { dataDir, version, config, clock, log, inForce } = deps;
  const smtpUrl = config.smtpUrlFile === null ? config.smtpUrl : readSmtpUrl(config.smtpUrlFile);
  const mail =
    smtpUrl === null
      ? null
      : (await import("./mail.ts")).createMailer(smtpUrl, { from: config.mailFrom, hostname: hostname() });
  const userAgent = `batch-agent/${version}`;
  const webhook = await openWebhookCaller({ clock, secretFile: config.webhookSecretFile, userAgent });
  const ping = createPinger({ clock, userAgent });
  const outbox = createOutbox(dataDir, { clock, log });
  const deliveries = createDeliveries({ clock, log, outbox, couriers: { mail, webhook, ping } });
  if (mail === null) warnOfMailOnce(inForce, log);
  return {
    notifier: createNotifier({
      ...{ clock, log, recorder: deps.recorder, reader: deps.reader, logs: deps.logs, outbox, deliveries },
      batchOf: (name) => inForce.batch(name)?.batch ?? null, // also of one whose chain has broken while it ran
      mails: mail !== null,
      linkTo: deps.linkTo,
      changedSince: deps.changedSince,
    }),
    deliveries,
    unsentMail: () =>
      mail === null ? inForce.batches().flatMap(({ name, batch }) => (asksForMail(batch) ? name : [])) : [],
  };
}

/** Logs the first batch that asks for mail where none can be sent. */
function warnOfMailOnce(inForce: InForce, log: Logger): void {
  let warned = false;
  inForce.subscribe({
    onApplied(name, batch) {
      if (warned || !asksForMail(batch)) return;
      warned = true;
      log.warn("a batch asks for mail, and the agent has no --smtp-url: no mail is sent", { batch: name });
    },
  });
}

function asksForMail(batch: Batch | null): boolean {
  return batch !== null && batch.enabled && (batch.notify?.mail.length ?? 0) > 0;
}
