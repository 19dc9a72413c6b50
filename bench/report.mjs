// Figures out of rounds, and the table people read.

/** @param {readonly number[]} values @param {number} share  nearest rank */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** @param {readonly number[]} values */
export const median = (values) => quantile(values, 0.5);

/**
 * @param {string} name
 * @param {readonly { what: string, unit: string, ours: number, plain: number | null, ratio: number | null,
 *   alternative?: string, goal?: string, met: boolean | null }[]} rows
 */
export function table(name, rows) {
  const lines = rows.map(({ what, unit, ours, plain, ratio, alternative, goal, met }) => {
    const beside =
      plain === null ? "" : `  ${alternative ?? "plain"} ${figure(plain)} ${unit}, ratio ${figure(ratio ?? NaN)}`;
    const verdict = met === null ? "" : met ? ", met" : ", NOT met";
    return (
      `  ${what.padEnd(52)} ${figure(ours).padStart(8)} ${unit}${beside}` +
      `${goal === undefined ? "" : `  (goal ${goal}${verdict})`}`
    );
  });
  return [name, ...lines, ""].join("\n");
}

/** @param {number} value  three digits are all that a busy machine can tell */
function figure(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "?";
}
