import { ProtocolError } from "../base/errors.ts";
import { CHANNEL_ID_MAX } from "../codec/frame.ts";
import { ProtoReader, ProtoWriter } from "../codec/proto.ts";
import { type Address, addressFromBytes, addressToBytes } from "../identity/address.ts";

/** The version of `/raintree/channel` that this release speaks. */
export const CHANNEL_PROTOCOL_VERSION = 1;

/** The version in the node info that stands for a Pocket V1 node, which has none of its own: it takes one message a stream and knows no segments. */
export const POCKET_V1_VERSION = 0;

/** Longest list and text accepted in a peer's node info. */
const ENTRIES_MAX = 64;
const TEXT_LENGTH_MAX = 256;

/** What a node says of itself in the handshake, after its key is proven. */
export interface NodeInfo {
  /** Version of `/raintree/channel`; peers of another are refused with `handshake_wrong_version`. */
  readonly version: number;
  /** The chain; peers of another are refused with `handshake_wrong_network`. */
  readonly network: string;
  /** The node's address, equal to the proven one. */
  readonly address: Address;
  /** Node address URLs at which it may be dialled; empty for a client that does not listen. */
  readonly listen: readonly string[];
  /** The channels it receives on. */
  readonly channels: readonly ChannelInfo[];
}

/** A channel that a node receives on. */
export interface ChannelInfo {
  /** Channel ID, 1 to 16383. */
  readonly id: number;
  /** Bytes its peer may send at once; 0 where the credit follows in a control frame, as a socket's does when it opens. */
  readonly capacity: number;
}

/**
 * The node info as protobuf: `uint32 version = 1; string network = 2; bytes address = 3; repeated string listen = 4;
 * repeated Channel { uint32 id = 1; uint32 capacity = 2; } channels = 5`.
 */
export function encodeNodeInfo(info: NodeInfo): Uint8Array {
  const out = new ProtoWriter().uint(1, info.version).string(2, info.network).bytes(3, addressToBytes(info.address));
  for (const url of info.listen) out.string(4, url);
  for (const { id, capacity } of info.channels) {
    out.message(5, new ProtoWriter().uint(1, id).uint(2, capacity).finish());
  }
  return out.finish();
}

/** Reads a peer's node info. @throws {ProtocolError} `handshake_malformed`, or what {@link ProtoReader} throws. */
export function decodeNodeInfo(bytes: Uint8Array): NodeInfo {
  let version = 0;
  let network = "";
  let address = new Uint8Array();
  const listen: string[] = [];
  const channels: ChannelInfo[] = [];
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) version = reader.uint();
    else if (field === 2) network = text(reader.string());
    else if (field === 3) address = new Uint8Array(reader.bytes());
    else if (field === 4) listen.push(text(reader.string()));
    else if (field === 5) channels.push(decodeChannel(reader.bytes()));
    if (listen.length > ENTRIES_MAX || channels.length > ENTRIES_MAX) {
      throw malformed(`more than ${ENTRIES_MAX} entries of a kind`);
    }
  }
  if (address.length !== 20) throw malformed(`an address of ${address.length} bytes`);
  return { version, network, address: addressFromBytes(address), listen, channels };
}

function decodeChannel(bytes: Uint8Array): ChannelInfo {
  let id = 0;
  let capacity = 0;
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) id = reader.uint();
    else if (field === 2) capacity = reader.uint();
  }
  if (id < 1 || id > CHANNEL_ID_MAX) throw malformed(`channel ${id}`);
  return { id, capacity };
}

function text(value: string): string {
  if (value.length > TEXT_LENGTH_MAX) throw malformed(`a text of ${value.length} characters`);
  return value;
}

function malformed(what: string): ProtocolError {
  return new ProtocolError("handshake_malformed", `Node info holds ${what}`);
}
