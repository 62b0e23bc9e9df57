import { P2pError } from "../base/errors.ts";
import type { Address } from "./address.ts";
import { bracketed } from "./host.ts";
import { parseServiceUrl } from "./service_url.ts";

/** Who and where: a node address URL `proto://id@host:port/path` or `memory:id`, taken apart. (ADR-062) */
export interface NodeAddress {
  /** `tcp`, `memory`, ... */
  readonly protocol: string;
  /** Who must answer there. */
  readonly id: Address;
  /** IP address (IPv6 without brackets) or DNS name, never resolved here; absent for `memory`. */
  readonly host?: string;
  /** 1 to 65535; absent where the protocol has none. */
  readonly port?: number;
  /** Without the leading slash; absent where empty. */
  readonly path?: string;
}

/** The longest node address URL, in characters; peers tell each other's addresses, so what they tell is bounded. */
export const NODE_ADDRESS_LENGTH_MAX = 512;

const WITHOUT_HOST = /^([a-z][a-z0-9+.-]{0,31}):([0-9a-f]{40})$/;
const WITH_HOST = /^([a-z][a-z0-9+.-]{0,31}):\/\/([0-9a-f]{40})@([^\/@]+)(?:\/(.*))?$/s;
/** Protocol, ID and host are the same in either case; a path is not. */
const CASELESS = /^[^\/]*(?:\/\/[^\/]*)?/;
/** What a path may hold: RFC 3986's path characters and slashes. */
const PATH = /^[A-Za-z0-9\-._~!$&'()*+,;=:@%\/]*$/;

/**
 * Reads a node address URL. Case does not matter before the path.
 *
 * @throws {P2pError} `node_address_malformed`, with what is wrong with the host or port as its cause.
 */
export function parseNodeAddress(url: string): NodeAddress {
  if (url.length > NODE_ADDRESS_LENGTH_MAX) {
    throw malformed(url, `has ${url.length} characters, the limit is ${NODE_ADDRESS_LENGTH_MAX}`);
  }
  const text = url.replace(CASELESS, (start) => start.toLowerCase());
  const hostless = WITHOUT_HOST.exec(text);
  if (hostless !== null) return { protocol: hostless[1], id: hostless[2] };
  const match = WITH_HOST.exec(text);
  if (match === null) {
    throw malformed(
      url,
      "is neither protocol://id@host:port/path nor protocol:id, the ID being an address of 40 hex digits",
    );
  }
  const [, protocol, id, hostAndPort, path] = match;
  if (path !== undefined && !PATH.test(path)) throw malformed(url, "has a path with characters that belong encoded");
  try {
    const { host, port } = parseServiceUrl(hostAndPort);
    return path ? { protocol, id, host, port, path } : { protocol, id, host, port };
  } catch (cause) {
    throw malformed(url, `has no proper host and port in "${hostAndPort}"`, cause);
  }
}

/** The URL of a node address, in its one written form. @throws {P2pError} `node_address_malformed` for parts that {@link parseNodeAddress} would refuse. */
export function formatNodeAddress(address: NodeAddress): string {
  const { protocol, id, host, port, path } = address;
  if (host === undefined || port === undefined) {
    const url = `${protocol}:${id}`;
    if (host === undefined && port === undefined && !path && WITHOUT_HOST.test(url)) return url;
    throw malformed(url, "has a path, or one of host and port without the other");
  }
  const read = parseNodeAddress(`${protocol}://${id}@${bracketed(host)}:${port}${path ? `/${path}` : ""}`);
  return `${read.protocol}://${read.id}@${bracketed(read.host!)}:${read.port}${read.path ? `/${read.path}` : ""}`;
}

function malformed(url: string, what: string, cause?: unknown): P2pError {
  return new P2pError("node_address_malformed", `Node address ${JSON.stringify(url.slice(0, 120))} ${what}`, {
    cause,
    hint: "Write it like tcp://<40 hex digits>@validator1.example.org:42069 or memory:<40 hex digits>",
  });
}
