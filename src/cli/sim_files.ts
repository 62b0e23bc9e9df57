import { asError, P2pError } from "../base/errors.ts";

/** Writes a text file, replacing what was there. @throws {P2pError} `picture_unwritable` */
export async function writeFileText(path: string, text: string): Promise<void> {
  await orUnwritable(path, () => Deno.writeTextFile(path, text));
}

/** Whether {@link writeFileText} would work, as far as one can know without a trace. @throws {P2pError} `picture_unwritable` */
export async function checkWritable(path: string): Promise<void> {
  await orUnwritable(path, async () => {
    let there: Deno.FileInfo | undefined;
    try {
      there = await Deno.stat(path);
    } catch (caught) {
      // Who may only write is told after the runs.
      if (caught instanceof Deno.errors.NotCapable) return;
      if (!(caught instanceof Deno.errors.NotFound)) throw caught;
    }
    // A pipe would take the look at it for all that comes.
    if (there !== undefined && !there.isFile && !there.isDirectory) return;
    await Deno.writeTextFile(path, "", { append: true });
    if (there === undefined) await Deno.remove(path);
  });
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
