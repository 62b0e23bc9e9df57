import { P2pError } from "../base/errors.ts";

/** Options of {@link inWorkers}. */
export interface WorkerPoolOptions<Result> {
  /** How many at once. @default {one for each core, but no more than jobs} */
  workers?: number;
  /** Called with each result as it comes, in any order: for progress. */
  onResult?: (result: Result, index: number) => void;
  /** Ends all workers; the call rejects with its reason. */
  signal?: AbortSignal;
}

/** What a worker answers a job with. */
export type WorkerAnswer<Result> =
  | { readonly index: number; readonly result: Result }
  | { readonly index: number; readonly error: string };

/**
 * Runs jobs in workers, each of which takes the next job when it is done with one, and returns their results in the order of the jobs. The module at `url` calls
 * {@link serveJobs}. Jobs and results are plain data.
 *
 * @throws {P2pError} (as a rejection) `worker_failed` with what the job threw; the signal's reason
 */
export function inWorkers<Job, Result>(
  url: URL,
  jobs: readonly Job[],
  options: WorkerPoolOptions<Result> = {},
): Promise<Result[]> {
  const { workers = navigator.hardwareConcurrency, onResult, signal } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  if (jobs.length === 0) return Promise.resolve([]);
  const results = new Array<Result>(jobs.length);
  const pool: Worker[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Result[]>();
  const abort = () => reject(signal!.reason);
  signal?.addEventListener("abort", abort, { once: true });
  let next = 0;
  let done = 0;
  const give = (worker: Worker) => {
    if (next < jobs.length) worker.postMessage({ index: next, job: jobs[next++] });
  };
  for (let i = 0; i < Math.min(workers, jobs.length); i++) {
    const worker = new Worker(url, { type: "module" });
    pool.push(worker);
    worker.onmessage = ({ data }: MessageEvent<WorkerAnswer<Result>>) => {
      if ("error" in data) return reject(new P2pError("worker_failed", data.error));
      results[data.index] = data.result;
      onResult?.(data.result, data.index);
      if (++done === jobs.length) resolve(results);
      else give(worker);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new P2pError("worker_failed", event.message));
    };
    give(worker);
  }
  return promise.finally(() => {
    signal?.removeEventListener("abort", abort);
    for (const worker of pool) worker.terminate();
  });
}

/** For a worker's module: answers each job that arrives with what `run` makes of it, one after the other. */
export function serveJobs<Job, Result>(run: (job: Job) => Promise<Result>): void {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<{ index: number; job: Job }>) => void;
    postMessage(answer: WorkerAnswer<Result>): void;
  };
  scope.onmessage = async ({ data: { index, job } }) => {
    try {
      scope.postMessage({ index, result: await run(job) });
    } catch (error) {
      scope.postMessage({ index, error: error instanceof Error ? error.message : String(error) });
    }
  };
}
