import { configFlags, configValues } from "./config_flags.ts";
import type { Command } from "./command.ts";
import { ExitCode } from "./exit_codes.ts";
import { type Flag, parseFlags, UsageError } from "./flags.ts";
import type { Io } from "./io.ts";

const flags: readonly Flag[] = [
  { name: "config", value: "FILE", summary: "YAML file with the fields of docs/configuration.md" },
  ...configFlags(),
];

/** `node`: one node, until SIGINT or SIGTERM. */
export const command: Command = {
  name: "node",
  summary: "Run one node until it is told to end",
  help: {
    usage: "node --config FILE [flags]",
    description: "A variable P2P_PORT overrides the field port of the file, a flag --port overrides both.\n" +
      "A switch that is on by default is turned off by --acks=false.\n" +
      "Prints where the node listens (and its admin API, with --admin-port), then logs to standard error: text on a terminal,\n" +
      "otherwise JSON lines. SIGINT and SIGTERM end it in order: it is no longer ready, and what was accepted is still sent.\n" +
      "A second one ends it at once.",
    flags,
    examples: [
      ["node --config node.yaml", "a node as its file says"],
      ["node --private-key-file node.key --genesis-file genesis.json", "the same without a file"],
      ["node --config node.yaml --admin-port 7070", "with health, metrics and the tree at http://127.0.0.1:7070"],
      ["node --config node.yaml --port 0 --log-level debug", "at a port that the system chooses, telling more"],
    ],
  },
  async run(args: string[], io: Io): Promise<number> {
    const parsed = parseFlags(args, flags);
    const { loadConfig } = await import("../module/load_config.ts");
    const config = await loadConfig({ file: parsed.value("config"), env: io.env, flags: configValues(parsed) });
    if (config.connection_type === "memory") {
      throw new UsageError(
        'connection_type "memory" connects nodes within one process, a node of its own takes "tcp"',
        "Leave connection_type out",
      );
    }
    const [{ runNode }, { logTo }] = await Promise.all([import("./run_node.ts"), import("./logs.ts")]);
    using _logs = logTo(io, config.log_level, config.log_format);
    await runNode(config, io);
    return ExitCode.ok;
  },
};
