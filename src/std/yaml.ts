// Stand-in for jsr:@std/yaml: the two functions we use, over npm:yaml, for networks that cannot reach JSR (ADR 0001).
import { parse as parseYaml, stringify as stringifyYaml } from "yaml";

/**
 * Reads one YAML document.
 *
 * @throws {SyntaxError} With "at line L, column C" in the message where the text is not YAML.
 */
export function parse(content: string): unknown {
  try {
    return parseYaml(content, { prettyErrors: true });
  } catch (cause) {
    throw new SyntaxError((cause as Error).message, { cause });
  }
}

/** Writes `data` as one YAML document. */
export function stringify(data: unknown): string {
  return stringifyYaml(data);
}
