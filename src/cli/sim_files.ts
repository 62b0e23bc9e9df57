import { asError, P2pError } from "../base/errors.ts";

/** Writes a text file, replacing what was there. @throws {P2pError} `picture_unwritable` */
export async function writeFileText(path: string, text: string): Promise<void> {
  try {
    await Deno.writeTextFile(path, text);
  } catch (cause) {
    throw new P2pError("picture_unwritable", `Cannot write "${path}": ${asError(cause).message}`, {
      cause,
      hint: "Name a file in a directory that exists and that you may write to",
    });
  }
}
