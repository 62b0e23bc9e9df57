import { Routines } from "../../../src/base/routines.ts";
import { PeerManager } from "../../../src/peer/peer_manager.ts";
import { CHANNELS } from "../../../src/module/channels.ts";
import type { Channel } from "../../../src/router/channel.ts";
import { bytesCodec } from "../../../src/router/codec.ts";
import { Router } from "../../../src/router/router.ts";
import type { SimCluster } from "../../../src/sim/sim_cluster.ts";

/** A staked node that speaks the production protocol, with a production router, and says on it whatever a case has it say. */
export class Attacker {
  /** Its place in the ring. */
  readonly position: number;
  /** Payloads that it was sent: what it may replay. */
  readonly captured: Uint8Array[] = [];
  /** Sends what it likes as a payload. */
  readonly payloads: Channel<Uint8Array>;
  /** Sends what it likes as control messages. */
  readonly control: Channel<Uint8Array>;
  readonly #router: Router;

  private constructor(position: number, router: Router) {
    this.position = position;
    this.#router = router;
    this.payloads = router.openChannel({ ...CHANNELS.raintree, codec: bytesCodec });
    this.control = router.openChannel({ ...CHANNELS.control, codec: bytesCodec });
    this.payloads.handle((bytes) => void this.captured.push(bytes.slice()));
    this.control.handle(() => {});
  }

  /** Takes the place of the node at a position, and waits until it is connected with the one at `victim`. */
  static async replace(cluster: SimCluster, position: number, victim: number): Promise<Attacker> {
    const { key } = cluster.nodes[position];
    cluster.network.crash(key.address);
    const { clock, random, transport } = cluster.network.host(key);
    const peers = PeerManager.open(key.address, { clock, random, keepConnected: 0 });
    const transports = [transport(new Routines())];
    const router = new Router({ address: key.address, network: "local", transports, peers, clock });
    const attacker = new Attacker(position, router);
    await router.listen({ protocol: "memory" });
    router.start();
    const { address } = cluster.nodes[victim].key;
    peers.add({ protocol: "memory", id: address });
    peers.want([address]);
    await cluster.until("connection of the attacker", () => attacker.credited(cluster, victim));
    return attacker;
  }

  /** Whether it may send to a node. */
  credited(cluster: SimCluster, victim: number): boolean {
    const socket = this.#router.socket(cluster.nodes[victim].key.address);
    return socket?.sendLanes.every(({ credit }) => credit > 0) ?? false;
  }
}
