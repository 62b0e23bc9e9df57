import { assertEquals } from "@std/assert";
import { systemClock } from "../../src/base/clock.ts";
import { LocalProcess } from "../../src/localnet/local_process.ts";

/** By these it is found again. */
const ARGS = ["what-it-is-told"];

Deno.test("LocalProcess runs from the moment it is started, also while it becomes the program that it was started for, until it ends", async () => {
  const folder = await Deno.makeTempDir();
  const paths = { pid: `${folder}/pid`, log: `${folder}/log` };
  // A large program takes its time to be loaded.
  const program = [Deno.execPath(), "eval", "setTimeout(() => {}, 30_000)", ...ARGS];
  const process = new LocalProcess("idle", paths, ARGS, systemClock);
  try {
    for (let i = 0; i < 60; i++) {
      const started = new Deno.Command("/bin/sh", {
        args: ["-c", `"$@" </dev/null >/dev/null 2>&1 & echo $! >${paths.pid}`, "sh", ...program],
        stdin: "null",
      }).output();
      const seenByMs = systemClock.now() + 10_000;
      let looks = 0;
      while (looks < 60) {
        const running = await process.running() !== undefined;
        if (!running && (looks > 0 || systemClock.now() > seenByMs)) {
          throw new Error(`start ${i}, look ${looks}: it is not running`);
        }
        if (running) looks++;
      }
      await started;
      await process.kill();
      assertEquals(await process.running(), undefined);
      await Deno.remove(paths.pid);
    }
  } finally {
    await process.kill();
    await Deno.remove(folder, { recursive: true });
  }
});
