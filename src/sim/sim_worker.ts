import { runSimulation } from "./sim_run.ts";
import { serveJobs } from "./worker_pool.ts";

serveJobs(runSimulation);
