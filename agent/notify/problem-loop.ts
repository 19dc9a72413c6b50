// Tells people of problems: of a batch that an edit left invalid, of its group's file, and of the agent's own. They are
// looked over at intervals; what is told is decided by what there is, not by what has changed.
import { messageOf } from "../errors.ts";
import type { Clock } from "../async/clock.ts";
import { periodic } from "../async/periodic.ts";
import type { Logger } from "../logger.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Courier, Draft, Message, Outbox } from "./port.ts";
import { problemContent } from "./problem-message.ts";
import { digestOf, planNews, type News, type ToldProblems, type Topic } from "./problem-news.ts";
import type { ToldStore } from "./told-problems.ts";

const checkMs = 2_000;
/** Messages that no disk takes are sent at once, and tried again so often. */
const againMs = 30_000;
const maxUnwritten = 100;
/** Checks for which what was told may be unreadable; then it is told once more, as it may be this very disk. */
const maxUnread = 10;

export interface ProblemLoop {
  /** Call once everything has been looked over for the first time. */
  start: () => void;
  stop: () => Promise<void>;
}

export function createProblemLoop(deps: {
  clock: Clock;
  log: Logger;
  outbox: Outbox;
  deliveries: Pick<Deliveries, "add">;
  /** null where the agent has no mail server. */
  couriers: { mail: Courier | null; webhook: Courier };
  store: ToldStore;
  /** Returns what has problems right now. `isWhole`: what has none is well, all having been looked over. */
  topics: () => { topics: readonly Topic[]; isWhole: boolean };
  linkTo: () => string;
}): ProblemLoop {
  const { clock, log, outbox, deliveries, couriers, store } = deps;
  /** null until it could be read. */
  let told: ToldProblems | null = null;
  let unread = 0;
  let isWritten = true;
  /** Since when each problem has been there, by topic and digest. */
  let since = new Map<string, number>();
  /** Messages that could not be put on disk. */
  let unwritten: { message: Message; notBefore: number }[] = [];
  const checks = periodic(
    clock,
    () => checkMs,
    check,
    (error) => log.error("cannot tell of problems", { error: messageOf(error) }),
  );

  async function check(): Promise<void> {
    const now = clock.now();
    await sendUnwritten(now);
    told ??= await readTold();
    if (told === null) return;
    const { topics, isWhole } = deps.topics();
    const seen = new Map<string, number>();
    for (const topic of topics)
      for (const problem of topic.problems) {
        const id = `${topic.key} ${digestOf(topic, problem)}`;
        seen.set(id, since.get(id) ?? now);
      }
    since = seen;
    const isSettled = (key: string, digest: string, settleMs: number) =>
      now - (seen.get(`${key} ${digest}`) ?? now) >= settleMs;
    const plan = planNews(topics, told, { isSettled, isWhole }, now);
    const messages: Message[] = [];
    for (const news of plan.news) for (const draft of draftsOf(news)) messages.push(...(await put(draft)));
    if (JSON.stringify(plan.told) !== JSON.stringify(told)) isWritten = false;
    told = plan.told;
    if (!isWritten) await remember(told);
    messages.forEach(deliveries.add);
  }

  function draftsOf(news: News): Draft[] {
    const { topic, about } = news;
    const { mail, webhook } = problemContent(news, deps.linkTo());
    const common = { batch: topic.name, execution: "" as const, event: "problem" as const, about };
    const createdAt = new Date(clock.now()).toISOString();
    return [
      ...(couriers.mail === null ? [] : topic.to.mail).map((to) => ({ ...common, createdAt, to, content: mail })),
      ...topic.to.webhook.map((to) => ({ ...common, createdAt, to, content: webhook })),
    ];
  }

  /** Returns what is on disk and may go out. */
  async function put(draft: Draft): Promise<Message[]> {
    try {
      return [await outbox.put(draft)];
    } catch (error) {
      // It may be this very disk that people are to hear of.
      log.warn("a message about a problem cannot be kept; it is sent at once", { error: messageOf(error) });
      const { about = "", ...rest } = draft;
      const message = { id: `${about}-problem-${unwritten.length}`, ...rest };
      unwritten = [...unwritten, { message, notBefore: 0 }].slice(-maxUnwritten);
      await sendUnwritten(clock.now());
      return [];
    }
  }

  async function sendUnwritten(now: number): Promise<void> {
    for (const waiting of unwritten.filter(({ notBefore }) => notBefore <= now)) {
      const { message } = waiting;
      const courier = message.content.kind === "mail" ? couriers.mail : couriers.webhook;
      const delivery = await courier?.send(message);
      if (delivery?.kind === "later") waiting.notBefore = now + againMs;
      else unwritten = unwritten.filter((one) => one !== waiting);
    }
  }

  /** Nothing is told before it is known what was. */
  async function readTold(): Promise<ToldProblems | null> {
    try {
      return await store.read();
    } catch (error) {
      unread += 1;
      const fields = { error: messageOf(error) };
      if (unread === 1) log.error("it cannot be read which problems were told; none is told until it can", fields);
      if (unread < maxUnread) return null;
      log.error("it still cannot be read which problems were told; they are told once more", fields);
      return {};
    }
  }

  async function remember(told: ToldProblems): Promise<void> {
    await store.write(told).then(
      () => (isWritten = true),
      (error: unknown) => log.debug("which problems were told cannot be kept", { error: messageOf(error) }),
    );
  }

  return {
    start: () => checks.start(),
    stop: () => checks.stop(),
  };
}
