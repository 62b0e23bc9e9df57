import { readKeyFile, writeKeyFile } from "../identity/key_file.ts";
import { NodeKey } from "../identity/node_key.ts";
import type { Command } from "./command.ts";
import { ExitCode } from "./exit_codes.ts";
import { type Flag, type ParsedFlags, parseFlags, UsageError } from "./flags.ts";
import type { Io } from "./io.ts";
import { palette } from "./terminal.ts";

const flags: readonly Flag[] = [
  {
    name: "out",
    short: "o",
    value: "FILE",
    summary: "Write the private key to FILE (mode 0600) instead of printing it",
  },
  { name: "json", summary: "Print one JSON object" },
];

const PRIVATE_HEX = /^(?:[0-9a-f]{64}){1,2}$/i;

/** `keys`: makes an identity, or shows the one behind a private key. */
export const command: Command = {
  name: "keys",
  summary: "Make a node's identity, or show whose a private key is",
  help: {
    usage: "keys [show FILE|HEX|-] [flags]",
    description: "The private key is 128 hex digits: the Ed25519 seed and the public key. Whoever has it is the node.",
    flags,
    examples: [
      ["keys --out node.key", "a new identity; the private key goes to a file that only you can read"],
      ["keys show node.key", "the address and the peer ID of that key"],
      ["keys show -", "the same, with the key read from standard input"],
      ["keys --json", "a new identity for a script, private key included"],
    ],
  },
  async run(args: string[], io: Io): Promise<number> {
    const parsed = parseFlags(args, flags, 2);
    const [verb, source] = parsed.positional;
    if (verb === undefined) await create(parsed, io);
    else if (verb === "show") await show(source, parsed, io);
    else throw new UsageError(`Unexpected argument "${verb}"; the only one is "show"`);
    return ExitCode.ok;
  },
};

async function create(parsed: ParsedFlags, io: Io): Promise<void> {
  const key = NodeKey.generate();
  const out = parsed.value("out");
  if (out !== undefined) await writeKeyFile(out, key);
  const secret: Record<string, string> = out === undefined ? { privateKey: key.privateHex() } : { privateKeyFile: out };
  print(key, secret, parsed, io);
}

async function show(source: string | undefined, parsed: ParsedFlags, io: Io): Promise<void> {
  if (source === undefined) {
    throw new UsageError('"keys show" takes a file, a private key in hex, or - for standard input');
  }
  if (parsed.value("out") !== undefined) throw new UsageError('"--out" is for new identities, "keys show" makes none');
  print(await readKey(source, io), {}, parsed, io);
}

async function readKey(source: string, io: Io): Promise<NodeKey> {
  if (source === "-") return NodeKey.fromPrivateHex(await io.stdin());
  return PRIVATE_HEX.test(source) ? NodeKey.fromPrivateHex(source) : await readKeyFile(source);
}

function print(key: NodeKey, secret: Record<string, string>, parsed: ParsedFlags, io: Io): void {
  const shown = { address: key.address, peerId: key.peerId, publicKey: key.publicKey.toHex(), ...secret };
  if (parsed.has("json")) return io.stdout(`${JSON.stringify(shown)}\n`);
  const labels: Record<string, string> = {
    address: "address",
    peerId: "peer ID",
    publicKey: "public key",
    privateKey: "private key",
    privateKeyFile: "private key in",
  };
  const { bold } = palette(io);
  const width = Math.max(...Object.keys(shown).map((name) => labels[name].length));
  for (const [name, value] of Object.entries(shown)) io.stdout(`${bold(labels[name].padEnd(width))}  ${value}\n`);
}
