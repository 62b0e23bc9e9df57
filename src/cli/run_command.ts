import { systemClock } from "../base/clock.ts";
import { expectedTraffic } from "../raintree/expectations.ts";
import type { TreeMode } from "../raintree/tree.ts";
import { assess } from "./broadcast_report.ts";
import { type Expect, runBroadcasts } from "./broadcast_run.ts";
import type { Command } from "./command.ts";
import { ExitCode } from "./exit_codes.ts";
import { type Flag, type ParsedFlags, parseFlags, UsageError } from "./flags.ts";
import type { Io } from "./io.ts";
import type { LocalNetwork, LocalNetworkOptions } from "./local_network.ts";
import { PAYLOAD_BYTES_MIN } from "./payload.ts";
import { renderReport } from "./render_report.ts";
import { Progress } from "./terminal.ts";

const VALIDATORS_DEFAULT = 9;

/** Both ends of every connection are in one process: beyond this a machine runs out of open files before anything else. */
const VALIDATORS_MAX = 1_000;

/** Each process takes some 60 MiB and half a second of a processor to start. */
const PROCESSES_MAX = 200;

const ROUNDS_MAX = 100;

const PAYLOAD_BYTES_DEFAULT = 1_024;

/** RainTree carries 4 MiB; the envelope around the payload takes some of it. */
const PAYLOAD_BYTES_MAX = 4 * 1024 * 1024 - 128;

const TIMEOUT_S_DEFAULT = 120;

const TIMEOUT_S_MAX = 86_400;

/** Lines of the drawing, and of the table, without `--full`. */
const LINES_MAX = 30;

const flags: readonly Flag[] = [
  {
    name: "validators",
    value: "N",
    summary: `Validators to start, 1 to ${VALIDATORS_MAX} (default ${VALIDATORS_DEFAULT})`,
  },
  {
    name: "mode",
    value: "exact|classic",
    summary: "How broadcasts spread: to everyone, once (default), or as in Pocket V1",
  },
  { name: "kill", value: "K", summary: "Kill K of them in the middle of the run, without a goodbye (default 0)" },
  {
    name: "stall",
    value: "S",
    summary: "Freeze S of them in the middle, until the others have every broadcast (default 0)",
  },
  {
    name: "processes",
    summary:
      `Run every validator in a process of its own, at most ${PROCESSES_MAX}; killed by SIGKILL, frozen by SIGSTOP`,
  },
  { name: "rounds", value: "R", summary: "Broadcasts of each validator that lives on (default 1)" },
  { name: "payload", value: "BYTES", summary: `Size of each broadcast (default ${PAYLOAD_BYTES_DEFAULT})` },
  {
    name: "timeout",
    value: "SECONDS",
    summary: `After this time whatever is missing counts as lost (default ${TIMEOUT_S_DEFAULT})`,
  },
  { name: "json", summary: "The result as one JSON object" },
  { name: "full", summary: "Draw and list everything, however long" },
];

/** What {@link runLocalNetwork} is made of; tests put faults in. */
export interface RunParts {
  /** Starts the validators. @default {LocalNetwork.start} */
  start?: (options: LocalNetworkOptions) => Promise<LocalNetwork>;
  /** Says what is expected of them. @default {expectedTraffic} */
  expect?: Expect;
}

/** The main job: a network of validators on this machine, broadcasts from each, and what came of it next to what was expected. */
export const command: Command = {
  name: "",
  summary: "Start a network of validators on this machine, broadcast from each, and check who received what",
  help: {
    usage: "[flags]",
    description: "All validators run in this process and talk over real TCP sockets on 127.0.0.1, encrypted.\n" +
      "With --kill and --stall only those that live on broadcast, and each of them must get every broadcast; reads and\n" +
      "writes are not compared then, since repairs take further messages. Frozen ones go on in the end and must catch up.\n" +
      "In classic mode without faults repairs are off: they would fill the holes that the published formula leaves.\n" +
      "The exit code is 0 only if every assertion held, 1 if one did not.",
    flags,
    examples: [
      ["", "nine validators"],
      ["--validators 81 --rounds 3", "a larger network, more broadcasts"],
      ["--validators 24 --mode classic", "where the published formula leaves validators out"],
      ["--validators 27 --kill 9 --stall 3", "a third is killed and three are frozen while broadcasts are on the way"],
      ["--validators 27 --kill 9 --stall 3 --processes", "the same with kill -9 and SIGSTOP on processes"],
      ["--json", "the result for a script"],
    ],
  },
  run: (args, io) => runLocalNetwork(args, io),
};

/** Does what {@link command} is for. */
export async function runLocalNetwork(args: string[], io: Io, parts: RunParts = {}): Promise<number> {
  const parsed = parseFlags(args, flags);
  const faults = parseFaults(parsed);
  const { validators, killed, stalled, processes } = faults;
  const mode = parsed.choice<TreeMode>("mode", ["exact", "classic"]) ?? "exact";
  const rounds = parsed.integer("rounds", 1, ROUNDS_MAX) ?? 1;
  const payloadBytes = parsed.integer("payload", PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX) ?? PAYLOAD_BYTES_DEFAULT;
  const timeoutMs = 1000 * (parsed.integer("timeout", 1, TIMEOUT_S_MAX) ?? TIMEOUT_S_DEFAULT);

  const [{ LocalNetwork }, { logTo }] = await Promise.all([import("./local_network.ts"), import("./logs.ts")]);
  const { start = LocalNetwork.start, expect = expectedTraffic } = parts;
  const { signal } = io;
  // What gets lost with a validator that was killed on purpose is no news.
  using _logs = logTo(io, killed + stalled > 0 ? "error" : "warning");
  let observed;
  {
    using progress = new Progress(io, { clock: systemClock });
    const onProgress = (text: string) => progress.update(text);
    const network = await start({
      validators,
      mode,
      payloadBytes,
      killed,
      stalled,
      processes,
      signal,
      onProgress: (started) => onProgress(`starting: ${started} of ${validators} validators listen`),
      stderr: io.stderr,
    });
    observed = await runBroadcasts(network, { rounds, expect, signal, timeoutMs, onProgress });
  }
  const report = assess(observed, expect(mode, validators, observed.originators));
  if (parsed.has("json")) {
    io.stdout(`${JSON.stringify(report)}\n`);
  } else {
    const linesMax = parsed.has("full") ? Infinity : LINES_MAX;
    io.stdout(renderReport(report, observed, io, { payloadBytes, linesMax }));
  }
  return report.ok ? ExitCode.ok : ExitCode.failed;
}

/** How many validators, and what becomes of them. @throws {UsageError} */
function parseFaults(parsed: ParsedFlags): { validators: number; killed: number; stalled: number; processes: boolean } {
  const given = parsed.integer("validators", 1, VALIDATORS_MAX);
  const validators = given ?? VALIDATORS_DEFAULT;
  const killed = parsed.integer("kill", 0, VALIDATORS_MAX) ?? 0;
  const stalled = parsed.integer("stall", 0, VALIDATORS_MAX) ?? 0;
  const processes = parsed.has("processes");
  if (killed + stalled > 0 && given === undefined) {
    throw new UsageError(`"--kill" and "--stall" say how many of how many: give --validators N too`);
  }
  if (killed + stalled >= validators && killed + stalled > 0) {
    throw new UsageError(
      `${killed} killed and ${stalled} frozen of ${validators} validators leave none, at least 1 must live on`,
    );
  }
  if (processes && validators > PROCESSES_MAX) {
    throw new UsageError(`"--validators" is "${validators}", with --processes it takes at most ${PROCESSES_MAX}`);
  }
  if (processes && stalled > 0 && Deno.build.os === "windows") {
    throw new UsageError('Windows cannot freeze a process: leave out "--stall" or "--processes"');
  }
  return { validators, killed, stalled, processes };
}
