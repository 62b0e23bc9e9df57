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
      hint: "Make a key with `keys --out FILE`, or give the path of the one you have",
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
  try {
    await Deno.writeTextFile(path, `${key.privateHex()}\n`, { createNew: true, mode: 0o600 });
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) {
      throw new P2pError("key_file_exists", `Key file "${path}" exists already`, {
        cause,
        hint: "It is never overwritten: choose another name, or move the file away if the key is not needed",
      });
    }
    throw new P2pError("key_file_unwritable", `Cannot write key file "${path}": ${asError(cause).message}`, {
      cause,
      hint: "Check that the folder exists and that you may write to it",
    });
  }
}
