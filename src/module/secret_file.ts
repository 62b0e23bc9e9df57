import { asError, P2pError } from "../base/errors.ts";

/** What is longer is no token, and not read further. */
const SECRET_FILE_BYTES_MAX = 4096;

/**
 * The secret kept in the file `path`, without the white space around it: files of secrets commonly end in a line feed.
 *
 * @throws {P2pError} `secret_file_unreadable`, `secret_file_malformed` (empty or too long); the message never holds the file's content.
 */
export async function readSecretFile(path: string): Promise<string> {
  let text: string;
  try {
    const { size } = await Deno.stat(path);
    if (size > SECRET_FILE_BYTES_MAX) {
      throw malformed(path, `has ${size} bytes, a secret takes at most ${SECRET_FILE_BYTES_MAX}`);
    }
    text = (await Deno.readTextFile(path)).trim();
  } catch (cause) {
    if (cause instanceof P2pError) throw cause;
    throw new P2pError("secret_file_unreadable", `Cannot read secret file "${path}": ${asError(cause).message}`, {
      cause,
      hint: cause instanceof Deno.errors.NotCapable
        ? `Run deno with --allow-read=${path}`
        : "Give the path of a file that this user may read",
    });
  }
  if (text === "") throw malformed(path, "is empty");
  return text;
}

function malformed(path: string, what: string): P2pError {
  return new P2pError("secret_file_malformed", `Secret file "${path}" ${what}`);
}
