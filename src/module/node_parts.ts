import { asError, P2pError } from "../base/errors.ts";
import { logger } from "../base/log.ts";
import type { Routines } from "../base/routines.ts";
import { MemoryPeerStore } from "../peer/memory_peer_store.ts";
import type { PeerStore } from "../peer/peer_store.ts";
import { MemoryTransport } from "../transport/memory/memory_transport.ts";
import type { Transport } from "../transport/transport.ts";
import { CHANNELS } from "./channels.ts";
import type { P2PConfig } from "./config.ts";
import type { P2PModuleParts } from "./p2p_module.ts";

/** How Kubernetes gives a pod its own file of a Secret: the user of the pod reads it by a group made for it, and nobody writes. */
const SECRET_MODE = 0o440;

/** Whoever may read the key file can be this node. Only told: the key may be read already, and where to keep it is the operator's to say. */
export async function warnOfSharedKey(path: string): Promise<void> {
  if (path === "") return;
  const log = logger("module");
  try {
    const { mode } = await Deno.stat(path);
    if (mode === null || (mode & 0o044) === 0) return; // Windows has no such bits
    if ((mode & 0o777) === SECRET_MODE) return;
    log.warn("key file {path} can be read by other users (mode {mode}): chmod 600 it", {
      path,
      mode: (mode & 0o777).toString(8),
    });
  } catch (error) {
    log.debug("who may read key file {path} is not known: {error}", { path, error: asError(error).message });
  }
}

/** SQLite is loaded only by those who name a file. */
export async function openStore(path: string): Promise<PeerStore> {
  if (path === "") return new MemoryPeerStore();
  const { SqlitePeerStore } = await import("../peer/sqlite_peer_store.ts");
  return SqlitePeerStore.open(path);
}

/** The transport that the configuration names, unless the application brings one. @throws {P2pError} `memory_network_missing` */
export async function openTransport(config: P2PConfig, parts: P2PModuleParts, routines: Routines): Promise<Transport> {
  const { private_key: key } = config;
  const { clock, random, memory, transport } = parts;
  if (transport !== undefined) return transport(routines);
  if (config.connection_type === "tcp") {
    const { TcpTransport } = await import("../transport/tcp_transport.ts");
    const messageProtocols = Object.values(CHANNELS).flatMap(({ id, v1 }) =>
      v1 === undefined ? [] : [[id, v1] as const]
    );
    const { handshake_timeout_ms: handshakeMs } = config;
    return new TcpTransport({ key, clock, random, routines, handshakeMs, messageProtocols: new Map(messageProtocols) });
  }
  if (memory === undefined) {
    throw new P2pError("memory_network_missing", "connection_type is memory, but no memory network was injected", {
      hint: "Pass { memory: new MemoryNetwork() } to P2PModule.create, the same one to every node",
    });
  }
  return new MemoryTransport({ network: memory, publicKey: key.publicKey, routines });
}

/** The staked set of the genesis file, unless the application brings a provider. @throws {P2pError} `staked_set_missing` */
export async function withGenesis(config: P2PConfig, parts: P2PModuleParts): Promise<P2PModuleParts> {
  if (parts.peerstore === undefined && config.staked_set === "kubernetes") {
    throw new P2pError("staked_set_missing", "staked_set is kubernetes, but no provider was injected", {
      hint: "Run the command `node`, which brings one, or pass { peerstore, heights } to P2PModule.create",
    });
  }
  if (parts.peerstore !== undefined || config.genesis_file === "") return parts;
  const { GenesisProvider } = await import("../peer/genesis_provider.ts");
  const genesis = await GenesisProvider.open(config.genesis_file);
  return { ...parts, peerstore: genesis };
}
