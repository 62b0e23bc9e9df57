import { assert, assertEquals } from "@std/assert";
import { deadline, systemClock } from "../../src/base/clock.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { P2PModule } from "../../src/module/p2p_module.ts";

/** A name server for `Deno.connect`: the only way by which nodes look names up. */
class Names implements Disposable {
  /** What was looked up, in order. */
  readonly asked: string[] = [];
  readonly #connect = Deno.connect;

  constructor(addresses: Map<string, string>) {
    const connect = (options: Deno.ConnectOptions) => {
      this.asked.push(options.hostname!);
      return this.#connect({ ...options, hostname: addresses.get(options.hostname!) ?? options.hostname });
    };
    Deno.connect = connect as typeof Deno.connect;
  }

  [Symbol.dispose](): void {
    Deno.connect = this.#connect;
  }
}

// Every address of 127.0.0.0/8 is this machine, but not on macOS.
Deno.test(
  "a peer that comes back with another IP address under its name is found again: names are looked up at each dial",
  {
    ignore: Deno.build.os === "darwin",
  },
  async () => {
    const name = "validator-1.raintree.test";
    const addresses = new Map([[name, "127.0.0.2"]]);
    using names = new Names(addresses);
    const peerKey = NodeKey.generate();
    const peer = (listen_host: string, port: number) =>
      P2PModule.create({ private_key: peerKey, listen_host, hostname: name, port });
    const first = peer("127.0.0.2", 0);
    await first.start();
    const { port } = first.nodeAddress;
    await using node = P2PModule.create({
      private_key: NodeKey.generate(),
      listen_host: "127.0.0.1",
      port: 0,
      persistent_peers: [`tcp://${peerKey.address}@${name}:${port}`],
    });
    let changed = () => {};
    node.subscribe(() => changed());
    const until = async (connected: number) => {
      using limit = deadline(systemClock, 20_000, `${connected} connections`);
      while (node.router.connected.length !== connected) {
        const event = Promise.withResolvers<void>();
        changed = event.resolve;
        limit.signal.addEventListener("abort", () => event.reject(limit.signal.reason), { once: true });
        await event.promise;
      }
    };
    await node.start();
    await until(1);
    assertEquals(node.router.socket(peerKey.address)!.connection.remoteEndpoint.host, "127.0.0.2");

    await first.stop();
    await until(0);
    addresses.set(name, "127.0.0.3");
    await using second = peer("127.0.0.3", port!);
    await second.start();
    await until(1);
    assertEquals(node.router.socket(peerKey.address)!.connection.remoteEndpoint.host, "127.0.0.3");
    assert(names.asked.length >= 2);
    assertEquals(new Set(names.asked), new Set([name]));
  },
);
