import { P2pError, ProtocolError } from "../base/errors.ts";

/** What the process says when it ends. Scripts rely on these numbers; nothing else in the program names one. */
export const ExitCode = {
  /** The work was done and every assertion held. */
  ok: 0,
  /** An assertion or the work itself failed. */
  failed: 1,
  /** The command line or the configuration is wrong: nothing was started. */
  usage: 2,
  /** The machine does not give what is needed: port in use, file unreadable, disk full, permission missing. */
  environment: 3,
  /** Ctrl-C or SIGTERM ended the work before its end (128 + SIGINT, as shells count). */
  interrupted: 130,
} as const;

/** Codes of errors in what the person gave us. */
const USAGE = /^(usage|config_invalid|key_mismatch|.*_malformed)$/;

/** Codes of errors that the machine, not the program or its input, is the cause of. */
const ENVIRONMENT = /^(listen|store)_|_(unreadable|unwritable|exists|exhausted|forbidden)$/;

/** Errors of the runtime with the same meaning. Refused and reset connections are not among them: that is a peer's doing. */
const ENVIRONMENT_NAMES: ReadonlySet<string> = new Set([
  "AddrInUse",
  "AddrNotAvailable",
  "AlreadyExists",
  "IsADirectory",
  "NotADirectory",
  "NotCapable",
  "NotFound",
  "PermissionDenied",
]);

/** The exit code that tells what kind of failure `error` is, judged by it and by what caused it. */
export function exitCodeOf(error: unknown): number {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof P2pError) {
      if (cause.code === "interrupted") return ExitCode.interrupted;
      if (ENVIRONMENT.test(cause.code)) return ExitCode.environment;
      if (USAGE.test(cause.code) && !(cause instanceof ProtocolError)) return ExitCode.usage;
    }
    if (ENVIRONMENT_NAMES.has(cause.name) || (cause as { code?: unknown }).code === "ENOSPC") {
      return ExitCode.environment;
    }
  }
  return ExitCode.failed;
}
