import type { Logger as LogTapeLogger } from "@logtape/logtape";

/** Where LogTape keeps its root logger: one for all copies and versions of it in a process. */
const ROOT: unique symbol = Symbol.for("logtape.rootLogger");

/** What one component logs with: a template that names its fields in braces, and the fields. */
export interface Logger {
  /** For those who look for a fault. */
  debug(template: string, fields?: Record<string, unknown>): void;
  /** What a node does, in the order of things. */
  info(template: string, fields?: Record<string, unknown>): void;
  /** What somebody may have to look into. */
  warn(template: string, fields?: Record<string, unknown>): void;
  /** What the node could not do. */
  error(template: string, fields?: Record<string, unknown>): void;
}

/**
 * The logger of one component, under the LogTape category `raintree`. Silent until the application configures a LogTape sink, and without
 * one LogTape is not even loaded: that would take some 7 ms of each start.
 */
export function logger(component: string): Logger {
  const category = ["raintree", component] as const;
  const target = () => (globalThis as { [ROOT]?: LogTapeLogger })[ROOT]?.getChild(category);
  return {
    debug: (template, fields) => target()?.debug(template, fields),
    info: (template, fields) => target()?.info(template, fields),
    warn: (template, fields) => target()?.warn(template, fields),
    error: (template, fields) => target()?.error(template, fields),
  };
}
