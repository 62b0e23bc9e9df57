import { P2pError } from "../base/errors.ts";

/** What the process holds open besides: standard streams, the event loop, cached modules. */
const OTHER_FILES = 64;

/**
 * Checks that the system lets this process open so many sockets, where it says (Linux): running out in the middle shows as connections
 * that never come about.
 *
 * @throws {P2pError} `open_files_exhausted`
 */
export async function assertOpenFiles(sockets: number): Promise<void> {
  const limit = await openFilesLimit();
  const needed = sockets + OTHER_FILES;
  if (needed <= limit) return;
  throw new P2pError("open_files_exhausted", `The work takes up to ${needed} open files, the system allows ${limit}`, {
    hint: `Raise the limit (ulimit -n ${needed}), or ask for fewer validators`,
  });
}

async function openFilesLimit(): Promise<number> {
  const path = "/proc/self/limits";
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (Deno.build.os !== "linux" || state !== "granted") return Infinity;
  try {
    const line = /^Max open files +(\d+)/m.exec(await Deno.readTextFile(path));
    return line === null ? Infinity : Number(line[1]);
  } catch (error) {
    // The runtime lets only those read below /proc who may do everything, whatever it says when asked.
    if (error instanceof Deno.errors.NotCapable) return Infinity;
    throw error;
  }
}
