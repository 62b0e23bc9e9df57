import { getLogger, type Logger } from "@logtape/logtape";

export type { Logger };

/** The logger of one component, under the category `raintree`. Silent until the application configures a LogTape sink. */
export function logger(component: string): Logger {
  return getLogger(["raintree", component]);
}
