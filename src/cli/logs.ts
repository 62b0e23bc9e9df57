import {
  configureSync,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  getTextFormatter,
  resetSync,
} from "@logtape/logtape";
import type { P2PConfig } from "../module/config.ts";
import type { Io } from "./io.ts";
import { palette } from "./terminal.ts";

/**
 * Sends what the library logs from `level` on to standard error: text where a person looks at it, otherwise a JSON object a line.
 * Dispose of it to make the library silent again.
 */
export function logTo(io: Io, level: P2PConfig["log_level"]): Disposable {
  const isColoured = palette(io, "stderr").bold("") !== "";
  const text = (isColoured ? getAnsiColorFormatter : getTextFormatter)({ timestamp: "time", value: "bare" });
  // The template is the name of the event, its values are fields beside it.
  const json = getJsonLinesFormatter({ message: "template", properties: "flatten" });
  const format = io.isTerminal.stderr ? text : json;
  configureSync({
    sinks: { stderr: (record) => io.stderr(format(record)) },
    loggers: [
      { category: "raintree", sinks: ["stderr"], lowestLevel: level },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
    reset: true,
  });
  return { [Symbol.dispose]: resetSync };
}
