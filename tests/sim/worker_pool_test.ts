import { assertEquals, assertRejects } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { inWorkers } from "../../src/sim/worker_pool.ts";

const url = new URL("./_echo_worker.ts", import.meta.url);

Deno.test("inWorkers() returns the results in the order of the jobs, each told once as it comes", async () => {
  const told: number[] = [];
  const jobs = [3, 1, 2, 5, 4, 8, 7];
  const onResult = (result: number, index: number) => void told.push(index, result);
  assertEquals(await inWorkers<number, number>(url, jobs, { workers: 3, onResult }), [6, 2, 4, 10, 8, 16, 14]);
  assertEquals(told.length, 2 * jobs.length);
  assertEquals(await inWorkers<number, number>(url, []), []);
});

Deno.test("inWorkers() rejects with what a job threw, and ends the rest", async () => {
  const error = await assertRejects(() => inWorkers<number, number>(url, [99, 13, 1], { workers: 2 }), P2pError);
  assertEquals([error.code, error.message], ["worker_failed", "unlucky"]);
});

Deno.test("inWorkers() rejects with the signal's reason, before it begins and in the middle", async () => {
  const reason = new Error("enough");
  const before = inWorkers<number, number>(url, [1], { signal: AbortSignal.abort(reason) });
  assertEquals(await assertRejects(() => before), reason);
  const stop = new AbortController();
  const onResult = () => stop.abort(reason);
  const during = inWorkers<number, number>(url, [1, 99], { workers: 1, signal: stop.signal, onResult });
  assertEquals(await assertRejects(() => during), reason);
});
