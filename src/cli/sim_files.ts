import { asError, P2pError } from "../base/errors.ts";

/** Writes a text file, replacing what was there. @throws {P2pError} `picture_unwritable` */
export async function writeFileText(path: string, text: string): Promise<void> {
  await orUnwritable(path, () => Deno.writeTextFile(path, text));
}

/** Whether {@link writeFileText} would work, as far as one can know: leaves what is there as it is, or an empty file. @throws {P2pError} `picture_unwritable` */
export async function checkWritable(path: string): Promise<void> {
  await orUnwritable(path, () => Deno.writeTextFile(path, "", { append: true }));
}

async function orUnwritable(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    const permission = cause instanceof Deno.errors.NotCapable;
    throw new P2pError("picture_unwritable", `Cannot write "${path}": ${asError(cause).message}`, {
      cause,
      hint: permission
        ? "Run with -A, or with --allow-write for the file"
        : "Name a file in a directory that exists and that you may write to",
    });
  }
}
