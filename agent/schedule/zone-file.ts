// Zone files (TZif, RFC 9636), such as /etc/localtime → offsets. Pure; reading them is the caller's.
import { parseZoneRule, type OffsetAt } from "./zone-rule.ts";

const headerBytes = 44;

interface Block {
  offsetAt: OffsetAt | null;
  /** Index of the first byte after the block. */
  end: number;
}

/** Parses the bytes of a zone file; null when they are none. Leap seconds are passed over. */
export function parseZoneFile(bytes: Uint8Array): OffsetAt | null {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const version = versionAt(view, 0);
    if (version === null) return null;
    const first = readBlock(view, 0, 4, null);
    if (version === 1) return first.offsetAt;
    if (versionAt(view, first.end) === null) return null;
    const footerAt = readBlock(view, first.end, 8, null).end;
    const footer = /^\n([^\n]*)\n/.exec(new TextDecoder("latin1").decode(bytes.subarray(footerAt)))?.[1] ?? "";
    return readBlock(view, first.end, 8, footer === "" ? null : parseZoneRule(footer)).offsetAt;
  } catch {
    return null; // cut off
  }
}

function versionAt(view: DataView, at: number): number | null {
  if (view.getUint32(at) !== 0x545a6966) return null; // "TZif"
  const version = view.getUint8(at + 4);
  return version === 0 ? 1 : version - 48;
}

/** @param rule offsets after the last transition; null where the last one stays */
function readBlock(view: DataView, start: number, timeBytes: 4 | 8, rule: OffsetAt | null): Block {
  const [utcs, stds, leaps, times, types, chars] = [20, 24, 28, 32, 36, 40].map((at) => view.getUint32(start + at)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const indexAt = start + headerBytes + times * timeBytes;
  const typesAt = indexAt + times;
  const end = typesAt + types * 6 + chars + leaps * (timeBytes + 4) + stds + utcs;
  if (end > view.byteLength) throw new RangeError("cut off");
  const changes = Array.from({ length: times }, (_, index) => {
    const at = start + headerBytes + index * timeBytes;
    return (timeBytes === 4 ? view.getInt32(at) : Number(view.getBigInt64(at))) * 1000;
  });
  const offsetOf = (type: number) => view.getInt32(typesAt + type * 6) * 1000;
  const initial = types === 0 ? null : offsetOf(0);
  if (initial === null) return { offsetAt: null, end };
  const offsetAt: OffsetAt = (t) => {
    const index = changes.findLastIndex((change) => change <= t);
    if (index === changes.length - 1 && rule !== null) return rule(t);
    return index < 0 ? initial : offsetOf(view.getUint8(indexAt + index));
  };
  return { offsetAt, end };
}
