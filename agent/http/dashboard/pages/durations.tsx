// How long the executions of a batch took, over time, as a picture.
import { absoluteText, spanText } from "../../../text/relative-time.ts";
import { chartSize, type DurationChart } from "../drawing/duration-chart.ts";
import { executionPath } from "./parts.tsx";

export function Durations({ chart }: { chart: DurationChart }) {
  const { width, height, left, right, bottom } = chartSize;
  return (
    <section class="box" aria-labelledby="plot-title">
      <h2 id="plot-title">Durations</h2>
      <div
        class="scroll"
        tabindex={0}
        role="group"
        aria-label={`Durations of ${chart.dots.length} executions over time`}
      >
        <svg class="plot" viewBox={`0 0 ${width} ${height}`}>
          {chart.levels.map(({ y, ms }) => (
            <>
              <path class="grid" d={`M${left} ${y}H${width - right}`} />
              <text class="level" x={String(left - 6)} y={String(y + 4)}>
                {spanText(ms).replace(".0", "")}
              </text>
            </>
          ))}
          {chart.median !== null && <path class="median" d={`M${left} ${chart.median.y}H${width - right}`} />}
          {chart.times.map(({ x, at }, index) => (
            <text
              data-tick="both"
              data-at={at}
              class={
                index === 0 && chart.times.length > 1 ? "first" : index === chart.times.length - 1 ? "last" : "mid"
              }
              x={String(x)}
              y={String(height - bottom + 18)}
            >
              {absoluteText(at).slice(5, 16)}
            </text>
          ))}
          {chart.dots.map(({ x, y, tone, execution }) => (
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
        {chart.median !== null && `, ${spanText(chart.median.ms)}`}. Times are in <span data-zone-name>UTC</span>.
      </p>
    </section>
  );
}
