// Where people elsewhere find the dashboard, for links in messages.

/** Invariant: no link is asked for before the server listens, as no message leaves before that. */
export class DashboardAddress {
  readonly #isSet: boolean;
  #base: string;

  /** @param baseUrl the address that was set; null to go by where the server listens */
  constructor(baseUrl: string | null) {
    this.#isSet = baseUrl !== null;
    this.#base = baseUrl ?? "";
  }

  servedAt(url: string): void {
    if (!this.#isSet) this.#base = url;
  }

  /** Returns where an execution is seen, a batch by its name, or with null the problems. */
  readonly of = (what: { id: string } | string | null): string => {
    if (what === null) return `${this.#base}/problems`;
    return `${this.#base}/${typeof what === "string" ? `batches/${what}` : `executions/${what.id}`}`;
  };
}
