import { asError, P2pError } from "../base/errors.ts";
import { NodeKey } from "./node_key.ts";

/** A key file is the text of {@link NodeKey.privateHex}; whatever is longer is not one, and not read further. */
const KEY_FILE_BYTES_MAX = 1024;

/**
 * Reads the private key kept in the file `path`: 64 or 128 hex digits, white space around them forgiven.
 *
 * @throws {P2pError} `key_file_unreadable`, `key_file_malformed`; the message never holds the file's content.
 */
export async function readKeyFile(path: string): Promise<NodeKey> {
  let text: string;
  try {
    const { size } = await Deno.stat(path);
    if (size > KEY_FILE_BYTES_MAX) {
      throw new P2pError("key_file_malformed", `Key file "${path}" has ${size} bytes, a key takes 128 hex digits`);
    }
    text = await Deno.readTextFile(path);
  } catch (cause) {
    if (cause instanceof P2pError) throw cause;
    throw new P2pError("key_file_unreadable", `Cannot read key file "${path}": ${asError(cause).message}`, {
      cause,
      hint: readHint(path, cause),
    });
  }
  try {
    return NodeKey.fromPrivateHex(text);
  } catch (cause) {
    throw new P2pError("key_file_malformed", `Key file "${path}": ${asError(cause).message}`, { cause });
  }
}

/**
 * Keeps `key` in the new file `path`, readable by its owner only. A file that is there already is never overwritten: a lost key
 * is a lost validator.
 *
 * @throws {P2pError} `key_file_exists`, `key_file_unwritable`
 */
export async function writeKeyFile(path: string, key: NodeKey): Promise<void> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) {
      throw new P2pError("key_file_exists", `Key file "${path}" exists already`, {
        cause,
        hint: "It is never overwritten: choose another name, or move the file away if the key is not needed",
      });
    }
    throw unwritable(path, cause);
  }
  try {
    const bytes = new TextEncoder().encode(`${key.privateHex()}\n`);
    for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
    await file.sync(); // some systems find out only now that there is no room
  } catch (cause) {
    file.close();
    // Part of a key is of no use, and would be in the way of the next attempt.
    await Deno.remove(path);
    throw unwritable(path, cause);
  }
  file.close();
}

function unwritable(path: string, cause: unknown): P2pError {
  const { message, code } = asError(cause) as Error & { code?: string };
  let hint = "Check that the folder exists and that you may write to it";
  if (code === "ENOSPC" || code === "EDQUOT") hint = "Make room on the disk, or choose another one";
  if (cause instanceof Deno.errors.NotCapable) hint = `Run deno with --allow-write=${path}`;
  return new P2pError("key_file_unwritable", `Cannot write key file "${path}": ${message}`, { cause, hint });
}

function readHint(path: string, cause: unknown): string {
  if (cause instanceof Deno.errors.NotCapable) return `Run deno with --allow-read=${path}`;
  if (cause instanceof Deno.errors.PermissionDenied) return "Run as the owner of the file, who alone may read it";
  return "Make a key with `keys --out FILE`, or give the path of the one you have";
}
