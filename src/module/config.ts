import type { NodeKey } from "../identity/node_key.ts";

/**
 * How one node runs. Every field but the key has a default. The same names serve in YAML, as `P2P_*` variables and as flags;
 * `docs/configuration.md` lists them.
 */
export interface P2PConfig {
  /** Who the node is. From `private_key` (hex) or `private_key_file`; printing it never shows the secret. */
  readonly private_key: NodeKey;
  /** File the key was read from; empty if it was given directly. */
  readonly private_key_file: string;
  /** Chain ID: peers of other networks are refused. */
  readonly network: string;
  /** Name or IP address under which others reach this node. */
  readonly hostname: string;
  /** TCP port to listen on; 0 lets the system choose. */
  readonly port: number;
  /** IP address or name to listen on. */
  readonly listen_host: string;
  /** `host:port` told to others where it differs from `hostname` and `port`; empty where it does not. */
  readonly advertise: string;
  /** `tcp`, or `memory` within one process. */
  readonly connection_type: "tcp" | "memory";
  /** Neither listens nor relays. */
  readonly is_client_only: boolean;
  /** `http(s)://host:port` of nodes that tell the peers to start with. */
  readonly bootstrap_nodes_csv: readonly string[];
  /** File with the validators at genesis; empty where the application provides the peers. */
  readonly genesis_file: string;
  /** Who is staked: all of the genesis file, or those of them whose pod is behind the Service of the validators. */
  readonly staked_set: "genesis" | "kubernetes";
  /** RainTree targets: `exact` reaches everyone once, `classic` is Pocket's published table. */
  readonly mode: "exact" | "classic";
  /** Targets acknowledge what they are handed; what a silent one was handed goes to the next node. */
  readonly acks: boolean;
  /** How often one hand-over may move on to the next node; the published rule is 1. */
  readonly adjust_limit: number;
  /** Whether the replacement of a silent target has to acknowledge too; by the published rule it need not. */
  readonly replacements_ack: boolean;
  /** The originator also sends to this share of all staked peers itself, 0 to 1. */
  readonly redundancy: number;
  /** Ring neighbours ask each other whether they got a broadcast (Pocket's IGYW). */
  readonly igyw: boolean;
  /** Nodes tell a few others what they got, and send it to who lacks it. */
  readonly repair: boolean;
  /** Silent peers are passed over until they are heard of again. */
  readonly failure_detector: boolean;
  /** Bytes of recent broadcasts kept for who lacks them. */
  readonly recent_bytes: number;
  /** Milliseconds for which they are kept. */
  readonly recent_ms: number;
  /** Nonces remembered to drop what was seen; more costs 16 bytes each. */
  readonly max_nonces: number;
  /** Node address URLs `tcp://id@host:port` that are dialled for ever. */
  readonly persistent_peers: readonly string[];
  /** Peers that may connect to us at once. */
  readonly max_inbound: number;
  /** Peers we connect to at once. */
  readonly max_outbound: number;
  /** SQLite file of known peers; empty keeps them in memory only. */
  readonly store_path: string;
  /** Order in which queued messages of different channels leave. */
  readonly queue: "fifo" | "priority" | "wdrr";
  /** Milliseconds until a connection must be secured and identified. */
  readonly handshake_timeout_ms: number;
  /** Milliseconds until a dialled connection must stand. */
  readonly dial_timeout_ms: number;
  /** Milliseconds between keep-alive pings. */
  readonly ping_interval_ms: number;
  /** Milliseconds until a ping must be answered. */
  readonly ping_timeout_ms: number;
  /** Milliseconds without any message until a connection that neither tree nor operator asks for is closed; 0 never. */
  readonly idle_timeout_ms: number;
  /** Milliseconds until a request must be answered. */
  readonly request_timeout_ms: number;
  /** Milliseconds that stopping may take to send what is queued. */
  readonly stop_timeout_ms: number;
  /** IP address or name on which the admin API listens. */
  readonly admin_host: string;
  /** TCP port of the admin API; 0 lets the system choose, empty: there is none. */
  readonly admin_port: number | "";
  /** Bearer token without which the admin API sends nothing; empty: it sends nothing for anybody. From `admin_token` or `admin_token_file`. */
  readonly admin_token: string;
  /** File the token was read from; empty if it was given directly. */
  readonly admin_token_file: string;
  /** How log messages are written; `auto` is text on a terminal and JSON elsewhere. */
  readonly log_format: "auto" | "text" | "json";
  /** Least severe message that is logged. */
  readonly log_level: "trace" | "debug" | "info" | "warning" | "error" | "fatal";
}

/** What a configuration is made from: any part of a {@link P2PConfig}, with the key in hex or as a {@link NodeKey}. */
export type P2PConfigInput = Partial<Omit<P2PConfig, "private_key" | "connection_type">> & {
  /** 64 or 128 hex digits, or the key itself. */
  private_key?: string | NodeKey;
  /** Also `empty`, which Pocket's configurations say for `memory`. */
  connection_type?: P2PConfig["connection_type"] | "empty";
};
