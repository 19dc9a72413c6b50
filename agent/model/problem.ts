// Describes what can be wrong with a definition or with the agent, as users see it.
/** Something wrong with a batch folder. `batch` is the entry's name as found; line and column count from 1. */
export interface Problem {
  batch: string;
  file: string | null;
  line: number | null;
  column: number | null;
  /** Path of the key in batch.yaml, such as `retry.limit`. */
  path: string | null;
  code: ProblemCode;
  message: string;
  hint: string | null;
}

/** Returns a problem of the agent's own, which is of no batch. */
export function agentProblem(
  code: ProblemCode,
  message: string,
  hint: string | null,
  file: string | null = null,
): Problem {
  return { batch: "", file, line: null, column: null, path: null, code, message, hint };
}

/** Every problem code there is; each has a fixture under test/fixtures/invalid/. */
export const problemCodes = [
  "bad-name", // the folder's name cannot be a batch's name
  "no-script", // batch.yaml without script.sh
  "no-settings", // script.sh without batch.yaml
  "two-settings", // batch.yaml and batch.yml
  "two-sources", // x/ beside x.zip
  "empty-file", // batch.yaml or script.sh holds nothing
  "not-text", // batch.yaml or script.sh is binary
  "too-large", // a file, or the batch as a whole, is over its limit
  "too-many-files",
  "special-file", // FIFO, socket, device, hard link in an archive; or script.sh is a folder
  "link-outside", // a symbolic link leaves the watched root (or its archive), or leads nowhere
  // an archive is damaged, cut off, encrypted, of another kind than its name says, or holds names that are not
  // allowed
  "bad-archive",
  "unreadable", // the folder or a file cannot be read (permissions, I/O)
  "unsettled", // the files keep changing
  "yaml-syntax",
  "yaml-tab", // a tab where YAML wants spaces
  "yaml-duplicate-key",
  "yaml-alias", // too many aliases
  "yaml-multiple", // more than one document
  "crlf", // script.sh has Windows line endings
  "shebang", // the first line of script.sh asks for another interpreter than bash, or for more than options
  "schema", // a value of the wrong type or out of range
  "unknown-key",
  "bad-duration",
  "bad-cron",
  "never-due",
  "bad-time-zone",
  "bad-calendar", // a calendar of a _group.yaml names days there are not, or an iCalendar file that cannot be read
  "unknown-calendar", // skipOn or onlyOn names a calendar that no group of the batch declares
  "kubernetes-not-allowed", // an image, a Secret or a ConfigMap that the agent's options do not allow
  "unknown-pool", // pool names one that no group of the batch declares
  "duplicate-name", // two batches of one name in different groups
  "group-invalid", // a _group.yaml above never was valid: nothing new below it is put in force
  "group-depth", // groups nested too deeply
  "no-start", // neither cron nor after, and nobody's onFailure
  "unknown-batch", // after or onFailure names a batch that is not there
  "cycle",
  "no-batch", // validate: nothing in the folder is a batch
  "no-common-root", // after: [a, b] that are never in the same run

  // Trouble of the agent's own, not of a folder:
  "not-stored", // no copy of the batch could be made in the data folder; the last revision stays in force
  "revision-changed", // an execution had changed files of the revision that it ran from
  "data-folder", // the data folder takes no writes
  "data-folder-replaced", // something else lay in the place of a folder of the data folder, or it was gone
  "history-corrupt", // a history could not be read and was set aside
  "git-not-followed", // what --git-url names cannot be asked, fetched or used; the last good commit stays in force
  // the commit's signature is by none of the keys of --git-verify; the last good commit stays in force
  "git-not-verified",
  "git-ambiguous", // --git-ref is both a branch and a tag; the last good commit stays in force
  "reconcile-failed", // the last look over the folder broke off; the agent tries again
  "no-bash", // bash is not on the agent's PATH
  "no-mail", // batches ask for mail, and the agent has no --smtp-url
  "not-delivered", // mails or webhooks wait because nobody takes them, or were given up in the last hour
] as const;
export type ProblemCode = (typeof problemCodes)[number];
/** Something worth knowing that is no mistake, such as a change of clocks that a schedule touches. */
export interface Note {
  batch: string;
  file: string | null;
  line: number | null;
  column: number | null;
  message: string;
}
/** A place in a text file; both count from 1. */
export interface Place {
  line: number;
  column: number;
}

/** Order of problems for people: by file, then from the top of it. */
export function compareProblems(a: Problem, b: Problem): number {
  const [fileA, fileB] = [a.file ?? "", b.file ?? ""];
  if (fileA !== fileB) return fileA < fileB ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
