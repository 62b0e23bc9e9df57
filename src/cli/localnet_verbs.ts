import { sleep, systemClock } from "../base/clock.ts";
import type { NetworkStatus } from "../localnet/backend.ts";
import type { AssertionReport } from "../cluster/assertion.ts";
import { ASSERTION_NAMES, type AssertionName, FAULT_KINDS } from "../localnet/manifest.ts";
import { runAssertions } from "../cluster/run_assertions.ts";
import { ExitCode } from "./exit_codes.ts";
import { UsageError } from "./flags.ts";
import type { Io } from "./io.ts";
import { faultOf, type LocalnetRun } from "./localnet_command.ts";
import { counted, palette, Progress, table } from "./terminal.ts";

/** What `localnet` does, by verb. Each resolves to the exit code, 0 only when it did what it says. */
export const localnetVerbs: Readonly<
  Record<"up" | "status" | "assert" | "fault" | "logs" | "down", (run: LocalnetRun) => Promise<number>>
> = {
  async up({ backend, manifest, parsed, io }) {
    const startMs = systemClock.now();
    {
      using progress = new Progress(io, { clock: systemClock });
      progress.update(`starting ${counted(manifest.validators.length, "validator")}`);
      await backend.up(io.signal);
    }
    const status = await backend.status();
    if (parsed.has("json")) printJson(status, io);
    else {
      printStatus(status, io);
      const seconds = ((systemClock.now() - startMs) / 1000).toFixed(2);
      io.stdout(`${counted(status.nodes.length, "validator")} ready after ${seconds} s\n`);
    }
    return status.ready ? ExitCode.ok : ExitCode.failed;
  },

  async status({ backend, parsed, io }) {
    const status = await backend.status();
    if (parsed.has("json")) printJson(status, io);
    else if (status.nodes.length === 0) io.stdout(`Network ${status.name} is not up\n`);
    else printStatus(status, io);
    return status.ready ? ExitCode.ok : ExitCode.failed;
  },

  async assert({ backend, manifest, words, parsed, io }) {
    for (const word of words) {
      if ((ASSERTION_NAMES as readonly string[]).includes(word)) continue;
      throw new UsageError(`There is no assertion "${word}", there are ${ASSERTION_NAMES.join(", ")}`);
    }
    const names = words.length > 0 ? words as AssertionName[] : manifest.assertions;
    let report: AssertionReport;
    {
      using progress = new Progress(io, { clock: systemClock });
      const onBegin = (name: AssertionName) => progress.update(`asserting ${name}`);
      let saidMs = systemClock.now();
      const onProgress = (name: AssertionName, text: string) => {
        progress.update(`asserting ${name}: ${text}`);
        // Who reads a log waits, too.
        if (io.isTerminal.stderr || systemClock.now() - saidMs < SAY_MS) return;
        saidMs = systemClock.now();
        io.stderr(`asserting ${name}: ${text}\n`);
      };
      report = await runAssertions(backend, manifest, { signal: io.signal, names, onBegin, onProgress });
    }
    // As JSON, the tables are beside it: a log of both has the one to read and the other to keep.
    printReport(report, parsed.has("json") ? { ...io, stdout: io.stderr } : io);
    if (parsed.has("json")) printJson(report, io);
    return report.ok ? ExitCode.ok : ExitCode.failed;
  },

  async fault({ backend, manifest, words, parsed, io }) {
    const faults = words[0] === "timeline" ? manifest.faults : [{ ...faultOf(words, FAULT_KINDS), atMs: 0 }];
    if (faults.length === 0) throw new UsageError("The manifest has no faults");
    if (words[0] === "timeline" && words.length > 1) throw new UsageError(`Unexpected argument "${words[1]}"`);
    const startMs = systemClock.now();
    const done = [];
    for (const { atMs, ...fault } of faults) {
      await sleep(systemClock, Math.max(0, startMs + atMs - systemClock.now()), io.signal);
      await backend.fault(fault, io.signal);
      done.push({ atMs: Math.round(systemClock.now() - startMs), ...fault });
      const sizes = fault.fault === "scale" ? [fault.validators] : [];
      const to = [...fault.nodes, ...fault.groups.map((group) => group.join(",")), ...sizes].join(" ");
      if (!parsed.has("json")) io.stdout(`${fault.fault}${to === "" ? "" : ` ${to}`}\n`);
    }
    if (parsed.has("json")) printJson({ faults: done }, io);
    return ExitCode.ok;
  },

  async logs({ backend, manifest, words, parsed, io }) {
    const names = words.length > 0 ? words : manifest.validators.map(({ name }) => name);
    const lines = parsed.integer("lines", 1, 100_000) ?? 20;
    const nodes = await Promise.all(names.map(async (name) => ({ name, lines: await backend.logs(name, lines) })));
    if (parsed.has("json")) printJson({ nodes }, io);
    else {
      const { cyan } = palette(io);
      for (const { name, lines } of nodes) for (const line of lines) io.stdout(`${cyan(name)}  ${line}\n`);
    }
    return ExitCode.ok;
  },

  async down({ backend, manifest, parsed, io }) {
    const ended = await backend.down();
    const { name } = manifest;
    if (parsed.has("json")) printJson({ name, backend: backend.name, ended }, io);
    else io.stdout(ended === 0 ? `Network ${name} was not up\n` : `${counted(ended, "validator")} ended\n`);
    return ExitCode.ok;
  },
};

/** How often what is going on is said where no terminal shows it all the time, milliseconds. */
const SAY_MS = 5_000;

function printJson(value: unknown, io: Io): void {
  io.stdout(`${JSON.stringify(value)}\n`);
}

function printStatus({ nodes }: NetworkStatus, io: Io): void {
  const { green, red } = palette(io);
  const columns = [
    { title: "node" },
    { title: "address" },
    { title: "ready" },
    { title: "height", align: "right" as const },
    { title: "peers", align: "right" as const },
  ];
  const rows = nodes.map(({ name, address, ready, height, peers }) => {
    return [name, address, ready ? green("yes") : red("no"), height ?? "-", peers];
  });
  io.stdout(table(columns, rows));
}

/** The list in the evidence of an assertion that is its table, or its drawing line by line. */
const TABLES: Readonly<Record<AssertionName, string>> = {
  "ready": "nodes",
  "broadcast-each": "nodes",
  "broadcast-any": "tree",
  "requests": "pairs",
  "load": "nodes",
  "faults": "cases",
};

/** Plain fields of objects, a line each; lists and objects in them are for the JSON report. */
function tableOf(lines: readonly Readonly<Record<string, unknown>>[]): string {
  const isPlain = (value: unknown) => value === undefined || value === null || typeof value !== "object";
  const names = [...new Set(lines.flatMap(Object.keys))].filter((name) => lines.every((line) => isPlain(line[name])));
  const isNumber = (name: string) => lines.some((line) => typeof line[name] === "number");
  const columns = names.map((title) => ({ title, align: isNumber(title) ? "right" as const : "left" as const }));
  const cell = (value: unknown) => {
    if (typeof value !== "number") return String(value ?? "-");
    return Number.isInteger(value) ? value : value.toFixed(2);
  };
  return table(columns, lines.map((line) => names.map((name) => cell(line[name]))));
}

function printReport({ ok, assertions }: AssertionReport, io: Io): void {
  const { green, red } = palette(io);
  const columns = [
    { title: "assertion" },
    { title: "holds" },
    { title: "ms", align: "right" as const },
    { title: "what was seen" },
  ];
  const rows = assertions.map(({ name, ok, elapsedMs, detail }) => {
    return [name, ok ? green("yes") : red("no"), elapsedMs, detail.replaceAll("\n", " ")];
  });
  io.stdout(table(columns, rows));
  for (const { name, evidence } of assertions) {
    const lines = evidence[TABLES[name]];
    if (!Array.isArray(lines) || lines.length === 0) continue;
    const isDrawing = lines.every((line) => typeof line === "string");
    io.stdout(`\n${name}\n${isDrawing ? `${lines.join("\n")}\n` : tableOf(lines)}`);
  }
  const held = assertions.filter((each) => each.ok).length;
  io.stdout(
    `\n${ok ? green("ok") : red("failed")}: ${held} of ${counted(assertions.length, "assertion")} ${
      assertions.length === 1 ? "holds" : "hold"
    }\n`,
  );
}
