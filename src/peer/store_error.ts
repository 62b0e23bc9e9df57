import { P2pError } from "../base/errors.ts";

/** What SQLite threw, with a code and a hint. Node's API tells failures apart reliably only by their text. */
export function storeError(path: string, cause: Error): P2pError {
  const text = cause.message.toLowerCase();
  if (text.includes("not a database") || text.includes("malformed")) return storeCorrupt(path, cause.message, cause);
  if (text.includes("is full")) {
    return new P2pError("store_full", `Peer store "${path}" has no room: ${cause.message}`, {
      cause,
      hint: "Free some disk space",
    });
  }
  if (text.includes("locked")) {
    return new P2pError("store_locked", `Peer store "${path}" is in use by another process`, {
      cause,
      hint: "Stop the other node, or give this one a store of its own",
    });
  }
  if (text.includes("not open")) return new P2pError("store_closed", `Peer store "${path}" is closed`, { cause });
  if (cause instanceof Deno.errors.NotCapable) {
    return new P2pError("store_unwritable", `Peer store "${path}" needs a permission: ${cause.message}`, {
      cause,
      hint: `Allow it with --allow-read and --allow-write for the directory of "${path}"`,
    });
  }
  if (text.includes("unable to open") || text.includes("readonly") || text.includes("i/o error")) {
    return new P2pError("store_unwritable", `Cannot write peer store "${path}": ${cause.message}`, {
      cause,
      hint: "The path must be a writable file in an existing, writable directory",
    });
  }
  return new P2pError("store_failed", `Peer store "${path}" failed: ${cause.message}`, { cause });
}

/** The store at `path` cannot be read. */
export function storeCorrupt(path: string, what: string, cause: unknown): P2pError {
  return new P2pError("store_corrupt", `Peer store "${path}" is damaged: ${what}`, {
    cause,
    hint: "Move the file away and start again: peers are learnt anew",
  });
}
