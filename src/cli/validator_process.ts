/**
 * The process that a `ProcessLink` starts: runs validators and serves what comes on standard input, a JSON object a line.
 *
 * @module
 */
import { systemIo } from "./io.ts";
import { lines } from "./lines.ts";
import { GroupServer } from "./serve_group.ts";

/** How long what still runs may take to stop when nobody is there any more who would wait. */
const STOP_MS = 1_000;

if (import.meta.main) {
  const interrupt = new AbortController();
  // Ctrl-C reaches every process of the terminal; the one that started us hears it too, and ends us in order.
  Deno.addSignalListener("SIGINT", () => {});
  const io = systemIo(interrupt);
  const server = new GroupServer(io, (message) => io.stdout(`${JSON.stringify(message)}\n`));
  await lines(Deno.stdin.readable, (line) => void server.handle(JSON.parse(line)));
  interrupt.abort();
  await server.close(STOP_MS);
  Deno.exit();
}
