// How long the executions of a batch took, over time, as a picture.
import { absoluteText, spanText } from "../../../text/relative-time.ts";
import { plotSize, type Plot } from "../drawing/duration-chart.ts";
import { executionPath } from "./parts.tsx";

export function Durations({ plot }: { plot: Plot }) {
  const { width, height, left, right, bottom } = plotSize;
  return (
    <section class="box" aria-labelledby="plot-title">
      <h2 id="plot-title">Durations</h2>
      <div
        class="scroll"
        tabindex={0}
        role="group"
        aria-label={`Durations of ${plot.dots.length} executions over time`}
      >
        <svg class="plot" viewBox={`0 0 ${width} ${height}`}>
          {plot.levels.map(({ y, ms }) => (
            <>
              <path class="grid" d={`M${left} ${y}H${width - right}`} />
              <text class="level" x={String(left - 6)} y={String(y + 4)}>
                {spanText(ms).replace(".0", "")}
              </text>
            </>
          ))}
          {plot.median !== null && <path class="median" d={`M${left} ${plot.median.y}H${width - right}`} />}
          {plot.times.map(({ x, at }, index) => (
            <text
              data-tick="both"
              data-at={at}
              class={index === 0 && plot.times.length > 1 ? "first" : index === plot.times.length - 1 ? "last" : "mid"}
              x={String(x)}
              y={String(height - bottom + 18)}
            >
              {absoluteText(at).slice(5, 16)}
            </text>
          ))}
          {plot.dots.map(({ x, y, tone, execution }) => (
            <a
              href={executionPath(execution.id)}
              aria-label={`${execution.status}, took ${spanText(execution.durationMs ?? 0)}`}
              tabindex={-1}
            >
              <circle class={tone} cx={String(x)} cy={String(y)} r="4">
                <title data-title>
                  {`${execution.status}, ${spanText(execution.durationMs ?? 0)}, ` +
                    absoluteText(execution.startedAt ?? "")}
                </title>
              </circle>
            </a>
          ))}
        </svg>
      </div>
      <p class="dim">
        Each dot is an execution and leads to it. The line is the median of the successes
        {plot.median !== null && `, ${spanText(plot.median.ms)}`}. Times are in <span data-zone-name>UTC</span>.
      </p>
    </section>
  );
}
