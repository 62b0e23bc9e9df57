import {
  configureSync,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  getTextFormatter,
  type LogRecord,
  resetSync,
} from "@logtape/logtape";
import type { P2PConfig } from "../module/config.ts";
import type { Io } from "./io.ts";
import { palette } from "./terminal.ts";

/**
 * Sends what the library logs from `level` on to standard error: text, or a JSON object a line; `auto` is text where a person looks at it. Dispose of it to
 * make the library silent again.
 */
export function logTo(
  io: Io,
  level: P2PConfig["log_level"],
  format: P2PConfig["log_format"] = "auto",
): Disposable {
  const isColoured = palette(io, "stderr").bold("") !== "";
  const text = (isColoured ? getAnsiColorFormatter : getTextFormatter)({ timestamp: "time", value: "bare" });
  // The template is the name of the event, its values are fields beside it; the text is for whoever reads without a program.
  const json = getJsonLinesFormatter({ message: "template", properties: "flatten" });
  const jsonWithText = (record: LogRecord) =>
    json({ ...record, properties: { text: rendered(record), ...record.properties } });
  const isText = format === "text" || (format === "auto" && io.isTerminal.stderr);
  const line = isText ? text : jsonWithText;
  configureSync({
    sinks: { stderr: (record) => io.stderr(line(record)) },
    loggers: [
      { category: "raintree", sinks: ["stderr"], lowestLevel: level },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
    reset: true,
  });
  return { [Symbol.dispose]: resetSync };
}

/** The message with its values in their places. */
function rendered({ message }: LogRecord): string {
  return message.map((part) =>
    typeof part === "string" ? part : part instanceof Error ? part.message : Deno.inspect(part)
  ).join("");
}
