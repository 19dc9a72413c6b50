// Describes what is worth knowing of a valid batch and is no mistake: days that mean OR, clock changes ahead, nothing
// left to come.
import type { EpochMs } from "../model/ids.ts";
import type { Note } from "../model/problem.ts";
import { bothDays, clockChanges, nextDue } from "../schedule/schedule.ts";
import type { ParsedBatch } from "./batch.ts";

/** The notes of a batch as `parseBatch` gave it; none for one with problems or without a schedule. */
export function notesOf({ batch, patternPlaces }: Pick<ParsedBatch, "batch" | "patternPlaces">, now: EpochMs): Note[] {
  if (batch === null || batch.schedule === null) return [];
  const { name, schedule, enabled } = batch;
  const note = (index: number, message: string): Note => {
    const { file = null, line = null, column = null } = patternPlaces[index] ?? {};
    return { batch: name, file, line, column, message };
  };
  const notes = schedule.patterns.flatMap((pattern, index) =>
    pattern.kind === "cron" && bothDays(pattern.text)
      ? [
          note(
            index,
            `"${pattern.text}": day-of-month and day-of-week are both set, and either of them is enough, as in crontab`,
          ),
        ]
      : [],
  );
  if (!enabled) return notes;
  if (nextDue(schedule, now) === null)
    notes.push(note(0, "every start of this batch lies in the past; nothing is due any more"));
  return [...notes, ...clockChanges(schedule, now).map(({ text }) => note(0, text))];
}
