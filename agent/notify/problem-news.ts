// Decides which problems people have not heard of yet. Pure: what there is, what was told, now → what to tell.
import { createHash } from "node:crypto";
import type { Notify } from "../model/batch.ts";
import type { Problem } from "../model/problem.ts";

/** Something that can have problems, and who hears of them. */
export interface Topic {
  /** `batch:report`, `group:billing/_group.yaml`, `agent:data-folder`. */
  key: string;
  /** What the subject names: the batch, the group's file, or `agent`. */
  name: string;
  problems: readonly Problem[];
  to: Receivers;
  /** True for what comes and goes by itself, in ever other words: told once an hour. */
  isPassing: boolean;
  /** How long it must have lasted, in ms. */
  settleMs: number;
}

export interface Receivers {
  mail: readonly string[];
  webhook: readonly string[];
}

/** When each problem was told, by its topic and a digest of its text. */
export type ToldProblems = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface News {
  topic: Topic;
  /** Those of its problems that nobody has heard of. */
  problems: readonly Problem[];
  /** Names this message, whenever it is made. */
  about: string;
}

/** Codes that no edit brings: what cannot be read just now stays as it was, and is read again. */
const passingCodes: readonly string[] = ["unreadable", "unsettled", "not-stored", "revision-changed"];
const hourMs = 3_600_000;
/** Problems of one topic that a message tells. */
const maxToldAtOnce = 20;

export function areOfAnEdit(problems: readonly Problem[]): readonly Problem[] {
  return problems.filter(({ code }) => !passingCodes.includes(code));
}

/** Returns where a batch's problems are told; null for nowhere. */
export function receiversOf(notify: Pick<Notify, "on" | "mail" | "webhook"> | null): Receivers | null {
  if (notify === null || !notify.on.includes("problem") || notify.mail.length + notify.webhook.length === 0)
    return null;
  return { mail: notify.mail, webhook: notify.webhook };
}

/** Returns every address of several once. */
export function allOf(receivers: readonly Receivers[]): Receivers {
  return {
    mail: [...new Set(receivers.flatMap(({ mail }) => mail))],
    webhook: [...new Set(receivers.flatMap(({ webhook }) => webhook))],
  };
}

/**
 * Each problem text is told once while it lasts: not again at a resync, after a restart, or because its line has moved.
 * `isSettled`: tells whether a problem, by its topic's key and its digest, has lasted long enough; `isWhole`: whether
 * what is no topic is well.
 */
export function planNews(
  topics: readonly Topic[],
  told: ToldProblems,
  { isSettled, isWhole }: { isSettled: (key: string, digest: string, settleMs: number) => boolean; isWhole: boolean },
  now: number,
): { news: News[]; told: ToldProblems } {
  const news: News[] = [];
  const next: Record<string, Record<string, string>> = {};
  const at = new Date(now).toISOString();
  for (const topic of topics) {
    const known = told[topic.key] ?? {};
    const present = new Map(topic.problems.slice(0, maxToldAtOnce).map((one) => [digestOf(topic, one), one]));
    const fresh = [...present].filter(
      ([digest]) => known[digest] === undefined && isSettled(topic.key, digest, topic.settleMs),
    );
    const kept = Object.entries(known).filter(([digest]) => present.has(digest));
    const all = [...kept, ...fresh.map(([digest]) => [digest, at] as const)];
    if (all.length > 0) next[topic.key] = Object.fromEntries(all);
    if (fresh.length > 0)
      news.push({ topic, problems: fresh.map(([, one]) => one), about: aboutOf(topic.key, fresh, at) });
  }
  // What comes and goes by itself is remembered for an hour.
  for (const [key, digests] of Object.entries(told)) {
    const recent = Object.entries(digests).filter(([, since]) => (isPassing(key) ? isRecent(since, now) : !isWhole));
    if (next[key] === undefined && recent.length > 0) next[key] = Object.fromEntries(recent);
  }
  return { news, told: next };
}

export function digestOf({ isPassing }: Pick<Topic, "isPassing">, problem: Problem): string {
  const { file, path, code, message } = problem;
  const text = isPassing ? [code, file] : [file, path, code, message];
  return createHash("sha256").update(JSON.stringify(text)).digest("hex").slice(0, 16);
}

function aboutOf(key: string, fresh: readonly (readonly [string, Problem])[], at: string): string {
  const text = JSON.stringify([key, at, fresh.map(([digest]) => digest)]);
  return createHash("sha256").update(text).digest("hex").slice(0, 26);
}

function isPassing(key: string): boolean {
  return key.startsWith("agent:");
}

function isRecent(since: string, now: number): boolean {
  const ago = now - Date.parse(since);
  return ago >= 0 && ago < hourMs;
}
