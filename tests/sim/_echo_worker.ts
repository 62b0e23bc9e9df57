import { serveJobs } from "../../src/sim/worker_pool.ts";

/** For tests: the double of a number; 13 fails, 99 is never answered. */
serveJobs(async (job: number) => {
  if (job === 13) throw new Error("unlucky");
  if (job === 99) await new Promise(() => {});
  return 2 * job;
});
