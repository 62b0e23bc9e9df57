import { NodeKey } from "../src/identity/node_key.ts";
import { parseNodeAddress } from "../src/identity/node_address.ts";
import { P2PModule } from "../src/module/p2p_module.ts";
import { ACCEPTED, type Channel } from "../src/router/channel.ts";
import { bytesCodec } from "../src/router/codec.ts";
import type { Side } from "./side.ts";

/** The first channel ID that is left to applications. */
const CHANNEL = 16;

/** The rows of the P2P module and its router. */
export const ourModule: Pick<Side, "receiver" | "sender" | "echoServer" | "requester"> = {
  async receiver(onMessage) {
    const node = await startModule();
    openChannel(node).handle(onMessage);
    return { address: node.url };
  },

  async sender(address) {
    const node = await startModule();
    const channel = openChannel(node);
    const to = parseNodeAddress(address);
    node.addPeer(to);
    return (message) => {
      const sent = channel.send(to.id, message);
      return sent === ACCEPTED ? undefined : sent;
    };
  },

  async echoServer() {
    const node = await startModule();
    node.onRequest((content) => content);
    return { address: node.url };
  },

  async requester(address) {
    const node = await startModule();
    const to = parseNodeAddress(address);
    node.addPeer(to);
    return async (value) => (await node.request(to.id, { typeUrl: "", value })).value;
  },
};

async function startModule(): Promise<P2PModule> {
  const node = P2PModule.create({ private_key: NodeKey.generate(), listen_host: "127.0.0.1", port: 0 });
  await node.start();
  return node;
}

function openChannel(node: P2PModule): Channel<Uint8Array> {
  return node.router.openChannel({ id: CHANNEL, name: "bench", codec: bytesCodec });
}
