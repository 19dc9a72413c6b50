// Opens the ways by which people are told: the outbox, what carries its messages away, and the loop that fills it.
import { hostname } from "node:os";
import type { Clock } from "../async/clock.ts";
import type { InForce } from "../definitions/in-force.ts";
import type { HistoryReader, Recorder } from "../history/port.ts";
import type { Logger } from "../logger.ts";
import type { LogStore, LogFollowers } from "../logs/port.ts";
import type { Batch } from "../model/batch.ts";
import type { Execution } from "../model/execution.ts";
import type { BatchName } from "../model/ids.ts";
import { agentProblem, type Problem } from "../model/problem.ts";
import type { EnsureFolder } from "../platform/folders.ts";
import { createDeliveries, type Deliveries } from "./deliveries.ts";
import { readSmtpUrl } from "./mail-url.ts";
import type { Notice } from "./message.ts";
import { createNotifier, type NotifierLoop } from "./notifier.ts";
import { createOutbox } from "./outbox.ts";
import { createPinger } from "./ping.ts";
import { createProblemLoop, type ProblemLoop } from "./problem-loop.ts";
import { createToldStore } from "./told-problems.ts";
import { topicsOf, type Undelivered } from "./topics.ts";
import { openWebhookCaller } from "./webhook.ts";

/** A lost message is a problem for so long. */
const lostShownMs = 3_600_000;

export interface NotificationsDeps {
  dataDir: string;
  ensure: EnsureFolder;
  version: string;
  config: {
    smtpUrl: string | null;
    smtpUrlFile: string | null;
    mailFrom: string | null;
    webhookSecretFile: string | null;
    notifyMail: readonly string[];
    notifyWebhook: readonly string[];
  };
  clock: Clock;
  log: Logger;
  recorder: Recorder;
  reader: HistoryReader;
  logs: LogStore;
  followers: LogFollowers;
  inForce: InForce;
  linkTo: (what: Execution | BatchName | null) => string;
  changedSince: (execution: Execution) => Promise<Notice["changed"]>;
}

export interface Notifications {
  notifier: NotifierLoop;
  /** Returns what cannot be delivered now, and what was lost within the last hour. */
  undelivered: () => readonly Undelivered[];
  /** Tells of problems. `own`: the agent's, but for messages that cannot be delivered. */
  createProblemLoop: (own: () => { problems: readonly Problem[]; isWhole: boolean }) => ProblemLoop;
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
  const outbox = createOutbox(dataDir, { clock, log, ensure: deps.ensure });
  const deliveries = createDeliveries({ clock, log, outbox, couriers: { mail, webhook, ping } });
  const undelivered = undeliveredOf(deliveries, clock);
  if (mail === null) warnOfMailOnce(inForce, log);
  return {
    notifier: createNotifier({
      ...{ clock, log, recorder: deps.recorder, reader: deps.reader, outbox, deliveries },
      ...{ logs: deps.logs, followers: deps.followers },
      batchOf: (name) => inForce.batch(name)?.batch ?? null, // also of one whose chain has broken while it ran
      mails: mail !== null,
      linkTo: deps.linkTo,
      changedSince: deps.changedSince,
    }),
    undelivered,
    createProblemLoop(own) {
      const to = { mail: config.notifyMail, webhook: config.notifyWebhook };
      return createProblemLoop({
        ...{
          clock,
          log,
          outbox,
          deliveries,
          couriers: { mail, webhook },
          store: createToldStore(dataDir, { clock, log }),
        },
        topics() {
          const { problems, isWhole } = own();
          return { topics: topicsOf({ inForce, to, own: () => problems, undelivered }), isWhole };
        },
        linkTo: () => deps.linkTo(null),
      });
    },
    unsentMail: () =>
      mail === null ? inForce.definitions().flatMap((batch) => (asksForMail(batch) ? batch.name : [])) : [],
  };
}

/** Watches for messages that are lost: each is a problem for an hour. */
function undeliveredOf(deliveries: Deliveries, clock: Clock): () => Undelivered[] {
  const lost = new Map<string, { why: string; at: number }>();
  deliveries.onLost((place, why) => lost.set(place, { why, at: clock.now() }));
  const problemOf = (message: string, hint: string) => agentProblem("not-delivered", message, hint);
  return () => {
    for (const [place, { at }] of lost) if (Math.abs(clock.now() - at) > lostShownMs) lost.delete(place);
    const waiting = deliveries.trouble();
    return [
      ...waiting.map(({ place, why, waiting: count }) => ({
        place,
        problem: problemOf(`${place}: ${count} waiting, ${why}`, "they are tried again, for 3 days"),
      })),
      ...[...lost]
        .filter(([place]) => waiting.every((other) => other.place !== place))
        .map(([place, { why }]) => ({ place, problem: problemOf(`${place}: ${why}`, "look at the address") })),
    ];
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
