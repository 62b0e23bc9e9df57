/** Labels of a sample. */
export type Labels = Readonly<Record<string, string | number>>;

/** One number. */
export interface Sample {
  /** What follows the name, of a histogram: `_bucket`, `_sum` or `_count`. @default {""} */
  readonly suffix?: "" | "_bucket" | "_sum" | "_count";
  /** What it is of. */
  readonly labels?: Labels;
  /** The number. */
  readonly value: number;
}

/** What a metric is, to Prometheus and to people. */
export interface MetricHead {
  /** Its name. */
  readonly name: string;
  /** `counter` only grows from one start of the node to the next, and so do the samples of a `histogram`. */
  readonly type: "counter" | "gauge" | "histogram";
  /** A sentence. */
  readonly help: string;
}

/** The content type of {@link renderMetrics}. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Metrics in Prometheus' text format 0.0.4, each under its HELP and TYPE. One without samples has those alone. */
export function renderMetrics(metrics: Iterable<readonly [MetricHead, Iterable<Sample>]>): string {
  const lines: string[] = [];
  for (const [{ name, type, help }, samples] of metrics) {
    lines.push(`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`, `# TYPE ${name} ${type}`);
    for (const { suffix = "", labels = {}, value } of samples) {
      lines.push(`${name}${suffix}${renderLabels(labels)} ${renderNumber(value)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function renderLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escape(String(value))}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function renderNumber(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}
