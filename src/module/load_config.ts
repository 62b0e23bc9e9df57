import { asError, P2pError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { readKeyFile } from "../identity/key_file.ts";
import type { P2PConfig, P2PConfigInput } from "./config.ts";
import { ConfigError, type ConfigProblem } from "./config_error.ts";
import { readSecretFile } from "./secret_file.ts";
import { CONFIG_FIELDS, CONFIG_NAMES, type ConfigField, envName, type FieldName, flagName } from "./config_fields.ts";

/** Where a configuration comes from; later sources win: file or text, environment, flags. */
export interface ConfigSources {
  /** YAML file. */
  file?: string;
  /** YAML text, instead of a file. */
  yamlText?: string;
  /** Looks up an environment variable (`P2P_PORT` for `port`); an empty one counts as not set, but for fields that may be empty. */
  env?: (name: string) => string | undefined;
  /** Texts given on the command line, by field name. */
  flags?: Readonly<Partial<Record<keyof P2PConfig, string | readonly string[]>>>;
}

/**
 * Reads a configuration from all its sources and checks all of it. Reads `private_key_file` and `admin_token_file` too, relative to the working directory.
 *
 * @throws {ConfigError} `config_invalid` with every wrong field.
 * @throws {P2pError} `config_unreadable` if the file cannot be read, `key_file_unreadable` or `secret_file_unreadable` if that of the
 * key or the token cannot and nothing else is wrong.
 */
export async function loadConfig(sources: ConfigSources): Promise<P2PConfig> {
  const { file, env = () => undefined, flags = {} } = sources;
  const reading = new Reading();
  const yamlText = sources.yamlText ?? (file === undefined ? "" : await readConfigFile(file));
  if (yamlText.trim() !== "") reading.object(await parseYaml(yamlText, file ?? "YAML"), file ?? "YAML");
  for (const name of CONFIG_NAMES) {
    const text = env(envName(name));
    const { fallback } = CONFIG_FIELDS[name];
    if (text || text === "" && fallback === "") {
      reading.field(name, CONFIG_FIELDS[name].kind.fromText(text), `env ${envName(name)}`);
    }
  }
  for (const name of CONFIG_NAMES) {
    const given = flags[name];
    if (given === undefined) continue;
    const value = typeof given === "string" ? CONFIG_FIELDS[name].kind.fromText(given) : given.join(",");
    reading.field(name, value, `--${flagName(name)}`);
  }
  await reading.secretFile("private_key", "private_key_file", readKeyFile);
  await reading.secretFile("admin_token", "admin_token_file", readSecretFile);
  return reading.finish();
}

/**
 * Checks a configuration that a program made, and fills in the defaults. Files it names are not read: give `private_key`, for which
 * `readKeyFile` reads a file, or let {@link loadConfig} do all of it.
 *
 * @throws {ConfigError} `config_invalid` with every wrong field.
 */
export function parseConfig(input: P2PConfigInput): P2PConfig {
  const reading = new Reading();
  reading.object(input, "configuration");
  return reading.finish();
}

/** Values and problems gathered from all sources; a field is known as wrong even if a later source replaces it. */
class Reading {
  readonly #values: Partial<Record<FieldName, unknown>> = {};
  readonly #problems: ConfigProblem[] = [];
  readonly #given = new Set<FieldName>();
  /** Files of secrets that cannot be read: the machine's doing, not a wrong configuration. */
  readonly #unreadable: { path: FieldName; error: P2pError }[] = [];

  object(given: unknown, source: string): void {
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      this.#report(source, "is not a list of fields, it takes lines like `port: 42069`");
      return;
    }
    for (const [name, value] of Object.entries(given)) {
      if (value === undefined) continue;
      if (isField(name)) this.field(name, value, name);
      else this.#report(name, `is not a field${didYouMean(name, CONFIG_NAMES)}`);
    }
  }

  field(name: FieldName, value: unknown, path: string): void {
    const { kind } = CONFIG_FIELDS[name] as ConfigField<unknown>;
    this.#given.add(name);
    const read = kind.read(
      value,
      (message, index) => this.#report(index === undefined ? path : `${path}[${index}]`, message),
    );
    if (read !== undefined) this.#values[name] = read;
  }

  /** Takes a secret from the file that another field names. */
  async secretFile<Name extends FieldName>(
    name: Name,
    fileField: FieldName,
    read: (path: string) => Promise<P2PConfig[Name] | string>,
  ): Promise<void> {
    const path = this.#values[fileField] as string | undefined;
    if (!path) return;
    if (this.#given.has(name) && this.#values[name] !== "") {
      this.#report(fileField, `is given beside ${name}, it takes one of them`);
      return;
    }
    this.#given.add(name);
    try {
      this.field(name, await read(path), fileField);
    } catch (error) {
      if (!(error instanceof P2pError)) throw error;
      if (error.code.endsWith("_unreadable")) this.#unreadable.push({ path: fileField, error });
      else this.#report(fileField, error.message);
    }
  }

  finish(): P2PConfig {
    const config: Record<string, unknown> = {};
    for (const name of CONFIG_NAMES) config[name] = this.#values[name] ?? CONFIG_FIELDS[name].fallback;
    if (!this.#given.has("private_key")) {
      const file = this.#values.private_key_file;
      this.#report(
        "private_key",
        file
          ? "is missing, and private_key_file is read by loadConfig() only: give `await readKeyFile(path)`"
          : "is missing, give it or private_key_file",
      );
    }
    if (this.#values.admin_token_file && !this.#given.has("admin_token")) {
      this.#report("admin_token_file", "is read by loadConfig() only: give admin_token");
    }
    if (config.staked_set === "kubernetes" && config.genesis_file === "") {
      this.#report("staked_set", "is kubernetes, which takes a genesis_file with all who may ever be staked");
    }
    if (this.#unreadable.length > 0) {
      if (this.#problems.length === 0) throw this.#unreadable[0].error;
      for (const { path, error } of this.#unreadable) this.#report(path, error.message);
    }
    if (this.#problems.length > 0) {
      const keyless = !this.#unreadable.some(({ path }) => path === "private_key_file") &&
        this.#problems.some(({ path }) => path.startsWith("private_key"));
      throw new ConfigError(this.#problems, keyless ? "Make a key with `keys --out FILE`" : undefined);
    }
    return config as unknown as P2PConfig;
  }

  #report(path: string, message: string): undefined {
    this.#problems.push({ path, message });
  }
}

function isField(name: string): name is FieldName {
  return Object.hasOwn(CONFIG_FIELDS, name);
}

async function readConfigFile(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new P2pError("config_unreadable", `Cannot read configuration "${path}": ${asError(cause).message}`, {
      cause,
      hint: cause instanceof Deno.errors.NotCapable
        ? `Run deno with --allow-read=${path}`
        : "Give the path of a YAML file; docs/configuration.md lists the fields",
    });
  }
}

/**
 * YAML errors quote the text around them, which may be the key: only the position and the first line are kept, without anything
 * that looks like one. The cause is left out for the same reason. The parser is loaded here, since most starts need none.
 */
async function parseYaml(text: string, source: string): Promise<unknown> {
  const { parse } = await import("@std/yaml");
  try {
    return parse(text);
  } catch (error) {
    const { message, cause } = asError(error);
    if (cause instanceof Deno.errors.NotCapable) {
      throw new P2pError("config_unreadable", `Cannot read configuration "${source}": ${message}`, {
        cause,
        hint: "The YAML parser looks up two variables: run deno with --allow-env=LOG_TOKENS,LOG_STREAM",
      });
    }
    const at = /line (\d+), column (\d+)/.exec(message);
    const what = message.split("\n")[0].replace(/ at line .*/, "").replaceAll(/[0-9a-f]{16,}/gi, "...");
    throw new ConfigError([{ path: at ? `${source}:${at[1]}:${at[2]}` : source, message: `is not YAML: ${what}` }]);
  }
}
