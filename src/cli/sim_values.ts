import { type ParsedFlags, UsageError } from "./flags.ts";

/** The latency where none is given. */
const LATENCY_DEFAULT = { latencyMs: 50, jitterMs: 20 };

/** The largest latency that makes sense to simulate: production code gives up on a dial after five seconds. */
const LATENCY_MS_MAX = 2_000;

/** `--latency 50ms±20`, also `50ms+-20`, `50±20ms`, `50`. @throws {UsageError} */
export function parseLatency(parsed: ParsedFlags): { latencyMs: number; jitterMs: number } {
  const text = parsed.value("latency");
  if (text === undefined) return LATENCY_DEFAULT;
  const found = /^(\d+(?:\.\d+)?)(?:ms)?(?:\s*(?:±|\+-|\+\/-)\s*(\d+(?:\.\d+)?)(?:ms)?)?$/.exec(text.trim());
  const [latencyMs, jitterMs] = [Number(found?.[1]), Number(found?.[2] ?? 0)];
  if (found !== null && latencyMs <= LATENCY_MS_MAX && jitterMs <= latencyMs) return { latencyMs, jitterMs };
  throw new UsageError(
    `"--latency" is "${text}", it takes milliseconds and their jitter, as in 50ms±20, ` +
      `up to ${LATENCY_MS_MAX} and with no more jitter than latency`,
  );
}

/** A flag whose value is a share, 0 up to `most` (1 itself is nobody left, so it is out). @throws {UsageError} */
export function parseShare(parsed: ParsedFlags, name: string, most: number): number {
  const text = parsed.value(name);
  if (text === undefined) return 0;
  const found = /^(\d*\.?\d+)\s*(%?)$/.exec(text);
  const share = found === null ? NaN : Number(found[1]) / (found[2] === "%" ? 100 : 1);
  if (share >= 0 && (most < 1 ? share <= most : share < most)) return share;
  const wanted = most < 1 ? `from 0 to ${most}` : `from 0 to below ${most}`;
  throw new UsageError(`"--${name}" is "${text}", it takes a share ${wanted}, as in 0.1 or 10%`);
}
