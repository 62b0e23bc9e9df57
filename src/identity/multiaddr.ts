import { P2pError, ProtocolError } from "../base/errors.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { readVarint } from "../codec/varint.ts";
import { ip4FromBytes, ip4ToBytes, ip6FromBytes, ip6ToBytes, parseHost } from "./host.ts";
import { parsePeerId, type PeerId, peerIdFromBytes, peerIdToBytes } from "./peer_id.ts";

/** How a multiaddr names its host: an IP address, or a DNS name to be resolved to any, an IPv4 or an IPv6 address. */
export type MultiaddrHost = "ip4" | "ip6" | "dns" | "dns4" | "dns6";

/** A libp2p TCP address `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>[/p2p/<peer ID>]`, taken apart. (multiformats "multiaddr") */
export interface Multiaddr {
  /** What `host` is. */
  readonly kind: MultiaddrHost;
  /** IP address (IPv6 without brackets) or DNS name, lower case; never resolved here. */
  readonly host: string;
  /** 0 to 65535; 0 lets the system choose where one listens. */
  readonly port: number;
  /** Who must answer there; absent where anyone may. */
  readonly peerId?: PeerId;
}

/** The longest multiaddr, in characters and in bytes. */
export const MULTIADDR_LENGTH_MAX = 512;

/** Protocol codes of the multicodec table. */
const CODES: Readonly<Record<MultiaddrHost, number>> = { ip4: 4, ip6: 41, dns: 53, dns4: 54, dns6: 55 };
const KINDS: ReadonlyMap<number, MultiaddrHost> = new Map(
  Object.entries(CODES).map(([kind, code]) => [code, kind as MultiaddrHost]),
);
const TCP = 6;
const P2P = 421;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a multiaddr as text; one slash at its end is forgiven, `ipfs` is an old name of `p2p`.
 *
 * @throws {P2pError} `multiaddr_malformed`, `peer_id_malformed`, or `multiaddr_unsupported` for protocols that lead elsewhere than to a TCP port.
 */
export function parseMultiaddr(text: string): Multiaddr {
  if (text.length > MULTIADDR_LENGTH_MAX) throw malformedText(text, `has ${text.length} characters`);
  const [empty, kind, name, tcp, digits, p2p, peer, ...more] = text.replace(/\/$/, "").split("/");
  if (empty !== "" || kind === undefined) throw malformedText(text, "does not begin with a slash and a protocol");
  if (!isKind(kind)) throw unsupported(`"${kind}"`);
  if (name === undefined) throw malformedText(text, "has no host");
  const host = parseHost(name);
  if (host === undefined || (host.kind === "dns" ? !kind.startsWith("dns") : host.kind !== kind)) {
    throw malformedText(text, `names no host of the kind "${kind}"`);
  }
  if (tcp !== "tcp") throw unsupported(tcp === undefined ? "nothing behind the host" : `"${tcp}"`);
  if (digits === undefined || !/^(?:0|[1-9][0-9]{0,4})$/.test(digits) || Number(digits) > 65535) {
    throw malformedText(text, "has a port outside 0 to 65535");
  }
  const address = { kind, host: host.name, port: Number(digits) };
  if (p2p === undefined) return address;
  if (p2p !== "p2p" && p2p !== "ipfs") throw unsupported(`"${p2p}"`);
  if (peer === undefined) throw malformedText(text, "has no peer ID");
  if (more.length > 0) throw unsupported(`"${more[0]}"`);
  return { ...address, peerId: parsePeerId(peer) };
}

/** The text of a multiaddr. */
export function formatMultiaddr(address: Multiaddr): string {
  const { kind, host, port, peerId } = address;
  return `/${kind}/${host}/tcp/${port}${peerId === undefined ? "" : `/p2p/${peerId}`}`;
}

/** The binary form of a multiaddr, as identify carries it. @throws {P2pError} `multiaddr_malformed` for a host or port that is none. */
export function multiaddrToBytes(address: Multiaddr): Uint8Array {
  // Read again, so that a hand-made address cannot become bytes which a remote would refuse.
  const { kind, host, port, peerId } = parseMultiaddr(formatMultiaddr(address));
  const out = new ByteWriter(64);
  out.varint(CODES[kind]);
  if (kind === "ip4") out.push(ip4ToBytes(host)!);
  else if (kind === "ip6") out.push(ip6ToBytes(host)!);
  else pushDelimited(out, new TextEncoder().encode(host));
  out.varint(TCP);
  out.byte(port >> 8);
  out.byte(port & 0xff);
  if (peerId !== undefined) {
    out.varint(P2P);
    pushDelimited(out, peerIdToBytes(peerId));
  }
  return out.bytes();
}

/**
 * Reads a multiaddr in its binary form.
 *
 * @throws {ProtocolError} `multiaddr_malformed`, `peer_id_malformed`, a varint error, or `multiaddr_unsupported` for protocols that lead elsewhere than to a TCP port.
 */
export function multiaddrFromBytes(bytes: Uint8Array): Multiaddr {
  if (bytes.length > MULTIADDR_LENGTH_MAX) throw malformed(`has ${bytes.length} bytes`);
  let at = 0;
  const number = () => {
    const read = readVarint(bytes, at);
    if (read === undefined) throw malformed("ends inside a number");
    at = read.end;
    return read.value;
  };
  const take = (length: number) => {
    if (length > bytes.length - at) throw malformed(`ends ${length - (bytes.length - at)} bytes early`);
    return bytes.subarray(at, at += length);
  };
  const code = number();
  const kind = KINDS.get(code);
  if (kind === undefined) throw unsupported(`protocol ${code}`);
  const host = kind === "ip4"
    ? ip4FromBytes(take(4))
    : kind === "ip6"
    ? ip6FromBytes(take(16))
    : dnsNameOf(take(number()));
  if (at === bytes.length) throw unsupported("nothing behind the host");
  const transport = number();
  if (transport !== TCP) throw unsupported(`protocol ${transport}`);
  const [high, low] = take(2);
  const address = { kind, host, port: (high << 8) | low };
  if (at === bytes.length) return address;
  const peer = number();
  if (peer !== P2P) throw unsupported(`protocol ${peer}`);
  const peerId = peerIdFromBytes(take(number()));
  if (at < bytes.length) throw unsupported(`protocol ${number()}`);
  return { ...address, peerId };
}

function isKind(text: string): text is MultiaddrHost {
  return Object.hasOwn(CODES, text);
}

function dnsNameOf(bytes: Uint8Array): string {
  let name: string;
  try {
    name = decoder.decode(bytes);
  } catch (cause) {
    throw malformed("has a DNS name that is no text", cause);
  }
  const host = parseHost(name);
  if (host?.kind !== "dns") throw malformed(`has no DNS name in ${JSON.stringify(name.slice(0, 100))}`);
  return host.name;
}

function pushDelimited(out: ByteWriter, bytes: Uint8Array): void {
  out.varint(bytes.length);
  out.push(bytes);
}

function malformed(what: string, cause?: unknown): ProtocolError {
  return new ProtocolError("multiaddr_malformed", `Multiaddr ${what}`, { cause });
}

function malformedText(text: string, what: string): P2pError {
  return new P2pError("multiaddr_malformed", `Multiaddr ${JSON.stringify(text.slice(0, 120))} ${what}`, {
    hint: "Write it like /ip4/10.0.0.7/tcp/42069/p2p/12D3KooW...",
  });
}

function unsupported(what: string): ProtocolError {
  return new ProtocolError("multiaddr_unsupported", `Multiaddr goes through ${what}, wanted a host, tcp and a peer ID`);
}
