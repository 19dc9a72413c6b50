// Days as numbers, calendars as sets of them, and the rule that keeps due times off some days.

/** A day of the wall clock, as days since 1970-01-01. No time zone: the batch's own zone says which day it is. */
export type Day = number;

/** The days of a calendar as data, in order. */
export interface CalendarParts {
  days: readonly Day[];
  /** Days of every year, as month × 32 + day. */
  yearly: readonly number[];
  /** Both ends belong to a range. */
  ranges: readonly { from: Day; to: Day }[];
  /** 0 is Sunday. */
  weekdays: readonly number[];
}

/** A named set of days. */
export interface Calendar {
  name: string;
  parts: CalendarParts;
  has: (day: Day) => boolean;
  /** Equal for calendars with the same days. */
  key: string;
}

/**
 * Describes what happens to a due time on a day that is not allowed: dropped, or moved to the same wall time of an
 * allowed day.
 */
export type Shift = "none" | "next" | "previous";

/** Days on which a batch may be due. */
export interface DayRule {
  /** No due time on a day of any of these. */
  skip: readonly Calendar[];
  /** Only on days of at least one of these; empty: on all days. */
  only: readonly Calendar[];
  shift: Shift;
  /** Equal for rules that treat every day alike: part of a schedule's key. */
  key: string;
}
