// The logs of one execution as its pod writes them: measured and cut to their limit.
import type { EpochMs } from "../../model/ids.ts";
import { appendTime, cutLogs, measure, readLastTime, type Sizes } from "../local/execution-folder.ts";
import type { Look } from "../port.ts";
import { isReadable } from "./folder.ts";

const streams = ["stdout", "stderr"] as const;

/** Invariant: a size only gets smaller where the log did: what cannot be measured keeps the size that it had. */
export class PodLogs {
  readonly #folder: string;
  readonly #limitBytes: number;
  #sizes: Sizes;

  constructor(folder: string, limitBytes: number) {
    this.#folder = folder;
    this.#limitBytes = limitBytes;
    this.#sizes = readLastTime(folder);
  }

  /** As last measured. */
  get sizes(): Sizes {
    return this.#sizes;
  }

  /** Measures without cutting. */
  measure(): Sizes {
    const sizes = measure(this.#folder);
    const isShorter = streams.some((one) => sizes[`${one}Bytes`] < this.#sizes[`${one}Bytes`]);
    return isShorter && !isReadable(this.#folder) ? this.#sizes : sizes;
  }

  look(now: EpochMs): Pick<Look, "sizes" | "cut" | "truncated"> {
    const measured = this.measure();
    const truncated = streams.filter((one) => measured[`${one}Bytes`] < this.#sizes[`${one}Bytes`]);
    const { sizes, cut } = cutLogs(this.#folder, measured, this.#limitBytes);
    if (streams.some((one) => sizes[`${one}Bytes`] !== this.#sizes[`${one}Bytes`]))
      appendTime(this.#folder, now, sizes);
    this.#sizes = sizes;
    return { sizes, cut, truncated };
  }
}
