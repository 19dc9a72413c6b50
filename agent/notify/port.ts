// Notifications: who is told of an end, and how a message leaves.
import type { Told } from "../history/port.ts";
import type { Execution, NotifyEvent, NotifyDue } from "../model/execution.ts";
import type { BatchName, ExecutionId, Iso } from "../model/ids.ts";

/** Tells people of ends. Never holds up an execution. */
export interface Notifier {
  /**
   * Decides what people are to be told of a final execution: its record carries that, and its batch's head what they
   * were told after it, in the same commit as its end.
   */
  decide: (final: Execution, told: Told | undefined) => { told: Told | undefined; due: NotifyDue | null };
  /** Returns whether a batch asks for heartbeats: the records of its executions carry which of them are still due. */
  pings: (name: BatchName) => boolean;
  /** Sees to what a recorded start or end carries. Returns at once. */
  submit: (execution: Execution) => void;
  /** Decides likewise what people are told of a due time that a batch is late for. */
  decideLate: (name: BatchName, told: Told | undefined) => { told: Told | undefined; due: NotifyDue | null };
  /** Sees to the due times that a batch's head carries. Returns at once. */
  submitLate: (name: BatchName) => void;
}
/** In the order of time, also where they are sorted by name. */
export type PingEvent = "start" | "stop";
/** Describes what one receiver is told of one end, rendered. */
export interface Message {
  /** The same for the same end and receiver, whenever it is made; `[0-9A-Za-z-]`. */
  id: string;
  batch: string;
  /** "" where it is of none. */
  execution: ExecutionId | "";
  event: NotifyEvent | PingEvent;
  createdAt: Iso;
  /** A mail address, or the URL of a webhook or a heartbeat, which may hold a secret. */
  to: string;
  content:
    | { kind: "mail"; subject: string; text: string; html: string }
    | { kind: "webhook"; body: string }
    /** `url`: the address with what the event puts behind it; `body`: bytes in base64. */
    | { kind: "ping"; url: string; body: string };
}
/** A message without its id. `about`: the id's first part, for one that is of no single execution. */
export type Draft = Omit<Message, "id"> & { about?: string };
/** Messages that wait to be delivered, on disk. */
export interface Outbox {
  /** Returns the ids of all that wait, in the order of time. Throws StoreError. */
  open: () => Promise<string[]>;
  /** Durable when the promise resolves; in place of one with the same id. Throws StoreError. */
  put: (draft: Draft) => Promise<Message>;
  /** null when it is gone. One that is damaged is set aside, and said. Throws StoreError. */
  read: (id: string) => Promise<Message | null>;
  /** Throws StoreError. */
  remove: (id: string) => Promise<void>;
}
/** Describes what became of a message. `why` is for people and holds no secret. */
export type Delivery =
  | { kind: "accepted" }
  /** It will never be taken. */
  | { kind: "refused"; why: string }
  | {
      kind: "later";
      why: string;
      /** Holds what the receiver asked to wait, in ms. */
      waitMs: number | null;
      /** True when nothing else will get through there either: nobody answers. */
      down: boolean;
    };
/** Delivers messages of one kind. */
export interface Courier {
  /** Takes a bounded time. Never throws. */
  send: (message: Message) => Promise<Delivery>;
  /** Breaks off what is under way. */
  close: () => void;
}
