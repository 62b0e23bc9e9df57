import { P2pError } from "../base/errors.ts";
import { bracketed, parseHost } from "./host.ts";

/** Where a node serves, as Pocket's actors publish it: `host:port`, taken apart. */
export interface ServiceUrl {
  /** IP address (IPv6 without brackets) or DNS name, lower case; never resolved here. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** The longest service URL, in characters: a DNS name, a colon, a port. */
const SERVICE_URL_LENGTH_MAX = 260;

const HOST_AND_PORT = /^(?:\[([^\[\]]*)\]|([^:\[\]]*)):([0-9]{1,5})$/;

/**
 * Reads `host:port`, IPv6 in brackets.
 *
 * @throws {P2pError} `service_url_malformed`
 */
export function parseServiceUrl(text: string): ServiceUrl {
  const match = text.length <= SERVICE_URL_LENGTH_MAX ? HOST_AND_PORT.exec(text) : null;
  if (match === null) throw malformed(text, "is not host:port");
  const [, inBrackets, plain, digits] = match;
  const host = parseHost(inBrackets ?? plain);
  if (host === undefined || (host.kind === "ip6") !== (inBrackets !== undefined)) {
    throw malformed(text, "names no IP address or DNS name");
  }
  const port = parsePort(digits);
  if (port === undefined) throw malformed(text, "has a port outside 1 to 65535");
  return { host: host.name, port };
}

/** The text of a service URL. @throws {P2pError} `service_url_malformed` for a host or port that {@link parseServiceUrl} would refuse. */
export function formatServiceUrl(url: ServiceUrl): string {
  const text = `${bracketed(url.host)}:${url.port}`;
  const read = parseServiceUrl(text);
  return `${bracketed(read.host)}:${read.port}`;
}

/** A port of 1 to 65535 in decimal digits without leading zeros; `undefined` for anything else. */
export function parsePort(text: string): number | undefined {
  const port = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}

function malformed(text: string, what: string): P2pError {
  return new P2pError("service_url_malformed", `Service URL ${JSON.stringify(text.slice(0, 100))} ${what}`, {
    hint: "Write it like validator1.example.org:42069, 10.0.0.7:42069 or [2001:db8::7]:42069",
  });
}
