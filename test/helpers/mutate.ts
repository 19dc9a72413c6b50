// Mutations of bytes, the same for the same seed.

export type Random = (below: number) => number;

/** Whole numbers from 0 up to but without `below` (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export function pick<T>(items: readonly T[], random: Random): T {
  return items[random(items.length)] as T;
}

const extremes = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/**
 * One to four changes: bits, extreme numbers, pieces taken out, doubled, exchanged or put in, a cut. `words` are put
 * in now and then.
 */
export function mutate(bytes: Buffer, random: Random, words: readonly (string | Buffer)[]): Buffer {
  let result: Buffer = Buffer.from(bytes);
  for (let left = 1 + random(4); left > 0 && result.length > 0; left--) {
    const at = random(result.length);
    const length = random(Math.min(64, result.length - at) + 1);
    const [before, piece, after] = [
      result.subarray(0, at),
      result.subarray(at, at + length),
      result.subarray(at + length),
    ];
    switch (random(8)) {
      case 0:
      case 1:
        result[at] = (result[at] ?? 0) ^ (1 << random(8));
        break;
      case 2: {
        const width = pick([1, 2, 4], random);
        const value = Buffer.alloc(4);
        value.writeUInt32LE(pick(extremes, random));
        value.copy(result, at, 0, width);
        break;
      }
      case 3:
        result = Buffer.concat([before, after]);
        break;
      case 4:
        result = Buffer.concat([before, piece, piece, after]);
        break;
      case 5:
        result = Buffer.concat([before, Buffer.from(pick(words, random) as string), after]);
        break;
      case 6:
        result.copy(result, random(result.length), at, at + length);
        break;
      default:
        if (random(4) === 0) result = Buffer.from(before);
    }
  }
  return result;
}
