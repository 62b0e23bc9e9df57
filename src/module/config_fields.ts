import { P2pError } from "../base/errors.ts";
import { parseHost } from "../identity/host.ts";
import { formatNodeAddress, parseNodeAddress } from "../identity/node_address.ts";
import { NodeKey } from "../identity/node_key.ts";
import { formatServiceUrl, parseServiceUrl } from "../identity/service_url.ts";
import type { P2PConfig } from "./config.ts";
import { boolean, choice, integer, type Kind, list, malformed, orEmpty, share, text } from "./config_kind.ts";

/** A field's name, as in YAML. */
export type FieldName = keyof P2PConfig;

/** One field of the configuration: parsing, variables, flags, help texts and `docs/configuration.md` come from it. */
export interface ConfigField<T> {
  /** Which values it takes. */
  readonly kind: Kind<T>;
  /** Value where nothing is given; absent for the key, which has to be given. */
  readonly fallback?: T;
  /** One sentence for people. */
  readonly doc: string;
  /** Never shown, and no flag: other users of the machine see command lines. */
  readonly secret?: boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Every field there is, in the order shown to people. */
export const CONFIG_FIELDS: { readonly [Name in keyof P2PConfig]: ConfigField<P2PConfig[Name]> } = {
  private_key: {
    kind: privateKey(),
    doc: "Ed25519 private key of the node, 64 or 128 hex digits; or use private_key_file",
    secret: true,
  },
  private_key_file: { kind: path(), fallback: "", doc: "File with the private key, as `keys --out FILE` writes it" },
  network: {
    kind: text(chainId, { placeholder: "NAME" }),
    fallback: "local",
    doc: "Chain ID; peers of other networks are refused",
  },
  hostname: {
    kind: text(host, { placeholder: "HOST" }),
    fallback: "127.0.0.1",
    doc: "Name or IP address under which others reach this node",
  },
  port: { kind: integer(0, 65535), fallback: 42069, doc: "TCP port to listen on; 0 lets the system choose" },
  listen_host: {
    kind: text(host, { placeholder: "HOST" }),
    fallback: "0.0.0.0",
    doc: "IP address or name to listen on",
  },
  advertise: {
    kind: text(hostAndPort, { placeholder: "HOST:PORT" }),
    fallback: "",
    doc: "What others are told to dial, where that is not hostname and port",
  },
  connection_type: {
    kind: connectionType(),
    fallback: "tcp",
    doc: "Transport; memory (also called empty) connects nodes within one process",
  },
  is_client_only: { kind: boolean, fallback: false, doc: "Neither listen nor relay" },
  bootstrap_nodes_csv: {
    kind: list(text(httpUrl, { placeholder: "URL" })),
    fallback: [],
    doc: "http(s)://host:port of nodes that tell the peers to start with",
  },
  genesis_file: {
    kind: path(),
    fallback: "",
    doc: "File with the validators at genesis; docs/genesis.md describes it",
  },
  staked_set: {
    kind: choice("genesis", "kubernetes"),
    fallback: "genesis",
    doc: "Who is staked: all of the genesis file, or those of them whose pod has an endpoint of Service validators",
  },
  mode: {
    kind: choice("exact", "classic"),
    fallback: "exact",
    doc: "RainTree targets: exact reaches every node once, classic is Pocket's published table",
  },
  acks: {
    kind: boolean,
    fallback: true,
    doc: "Targets acknowledge what they are handed; what a silent one was handed goes to the next node",
  },
  adjust_limit: {
    kind: integer(0, 64),
    fallback: 8,
    doc: "How often one hand-over may move on to the next node (the published rule is 1)",
  },
  replacements_ack: {
    kind: boolean,
    fallback: true,
    doc: "Whether the replacement of a silent target has to acknowledge too (by the published rule it need not)",
  },
  redundancy: { kind: share, fallback: 0, doc: "Share of all staked peers to whom the originator sends a copy itself" },
  igyw: {
    kind: boolean,
    fallback: false,
    doc: "Ring neighbours ask each other whether they got a broadcast (Pocket's daisy-chain clean-up)",
  },
  repair: { kind: boolean, fallback: true, doc: "Nodes tell a few others what they got, and send it to who lacks it" },
  failure_detector: {
    kind: boolean,
    fallback: true,
    doc: "Silent peers are passed over until they are heard of again",
  },
  recent_bytes: {
    kind: integer(0, 2 ** 31),
    fallback: 4 * 1024 * 1024,
    doc:
      "Bytes of recent broadcasts kept for who lacks them; four times as many of the last second, or two while something is missing",
  },
  recent_ms: duration(MINUTE_MS, 0, HOUR_MS, "for which recent broadcasts are kept"),
  max_nonces: {
    kind: integer(1, 10_000_000),
    fallback: 100_000,
    doc: "Messages remembered in order to drop copies",
  },
  persistent_peers: {
    kind: list(text(nodeAddress, { placeholder: "URL" })),
    fallback: [],
    doc: "tcp://address@host:port of peers that are dialled for ever",
  },
  max_inbound: { kind: integer(0, 10_000), fallback: 125, doc: "Peers that may connect to this node at once" },
  max_outbound: { kind: integer(0, 10_000), fallback: 125, doc: "Peers this node connects to at once" },
  store_path: { kind: path(), fallback: "", doc: "SQLite file of known peers; empty keeps them in memory" },
  queue: {
    kind: choice("fifo", "priority", "wdrr"),
    fallback: "wdrr",
    doc: "Order in which queued messages of different channels leave",
  },
  handshake_timeout_ms: duration(10_000, 100, MINUTE_MS, "until a connection must be secured and identified"),
  dial_timeout_ms: duration(5_000, 100, MINUTE_MS, "until a dialled connection must stand"),
  ping_interval_ms: duration(10_000, 100, HOUR_MS, "between keep-alive pings"),
  ping_timeout_ms: duration(20_000, 100, HOUR_MS, "until a ping must be answered"),
  idle_timeout_ms: duration(
    MINUTE_MS,
    0,
    24 * HOUR_MS,
    "without any message until a connection that neither tree nor operator asks for is closed; 0 never",
  ),
  request_timeout_ms: duration(10_000, 10, HOUR_MS, "until a request must be answered"),
  stop_timeout_ms: duration(1_000, 0, HOUR_MS, "that stopping may take to send what is queued"),
  admin_host: {
    kind: text(host, { placeholder: "HOST" }),
    fallback: "127.0.0.1",
    doc: "IP address or name on which the admin API listens",
  },
  admin_port: {
    kind: orEmpty(integer(0, 65535)),
    fallback: "",
    doc: "TCP port of the admin API; 0 lets the system choose, empty: no admin API",
  },
  admin_token: {
    kind: text(token, { placeholder: "TOKEN", secret: true }),
    fallback: "",
    doc: "Token of those who may send messages over the admin API; or use admin_token_file. Empty: nobody may",
    secret: true,
  },
  admin_token_file: { kind: path(), fallback: "", doc: "File with that token" },
  log_format: {
    kind: choice("auto", "text", "json"),
    fallback: "auto",
    doc: "How log messages are written; auto: text on a terminal, JSON lines elsewhere",
  },
  log_level: {
    kind: choice("trace", "debug", "info", "warning", "error", "fatal"),
    fallback: "info",
    doc: "Least severe message that is logged",
  },
};

/** The names of all fields, in the order shown to people. */
export const CONFIG_NAMES: readonly FieldName[] = Object.keys(CONFIG_FIELDS) as FieldName[];

/** `P2P_PORT` for `port`. */
export function envName(name: string): string {
  return `P2P_${name.toUpperCase()}`;
}

/** `port` for `port`, `store-path` for `store_path`; `undefined` for secrets, which other users would see in the list of processes. */
export function flagName(name: FieldName): string | undefined {
  return CONFIG_FIELDS[name].secret ? undefined : name.replaceAll("_", "-");
}

function duration(fallback: number, least: number, most: number, doc: string): ConfigField<number> {
  return { kind: integer(least, most), fallback, doc: `Milliseconds ${doc}` };
}

/** Pocket's configurations say `empty` for what is `memory` here. */
function connectionType(): Kind<"tcp" | "memory"> {
  const kind = choice("tcp", "memory", "empty");
  return {
    ...kind,
    read(value, report) {
      const type = kind.read(value, report);
      return type === "empty" ? "memory" : type;
    },
  };
}

function privateKey(): Kind<NodeKey> {
  const hex = text(NodeKey.fromPrivateHex, { placeholder: "HEX", secret: true });
  return { ...hex, read: (value, report) => value instanceof NodeKey ? value : hex.read(value, report) };
}

function path(): Kind<string> {
  return text((given) => {
    if (given.includes("\0")) throw malformed(given, "a path without NUL characters");
    return given;
  }, { placeholder: "FILE" });
}

/** What a header may carry after `Bearer `. */
function token(given: string): string {
  if (/^[\x21-\x7e]{0,1024}$/.test(given)) return given;
  throw new P2pError("config_malformed", "it takes at most 1024 visible ASCII characters without spaces");
}

function chainId(given: string): string {
  if (/^[\w.-]{1,64}$/.test(given)) return given;
  throw malformed(given, "1 to 64 letters, digits, dots, hyphens and underscores");
}

function host(given: string): string {
  const read = parseHost(given);
  if (read === undefined) throw malformed(given, "a DNS name or an IP address, without port and brackets");
  return read.name;
}

function hostAndPort(given: string): string {
  return given === "" ? given : formatServiceUrl(parseServiceUrl(given));
}

function httpUrl(given: string): string {
  const trimmed = given.trim();
  const url = URL.canParse(trimmed) ? new URL(trimmed) : undefined;
  if (url !== undefined && (url.username !== "" || url.password !== "")) {
    throw malformed(`${url.protocol}//...@${url.host}`, "http(s)://host:port without user and password");
  }
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw malformed(given, "http(s)://host:port");
  return trimmed;
}

function nodeAddress(given: string): string {
  return formatNodeAddress(parseNodeAddress(given.trim()));
}
