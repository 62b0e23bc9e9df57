import { serveJobs } from "../../../src/sim/worker_pool.ts";
import { CASES } from "./all_cases.ts";

serveJobs(({ name, seed }: { name: string; seed: number }) => CASES.find((each) => each.name === name)!.run(seed));
