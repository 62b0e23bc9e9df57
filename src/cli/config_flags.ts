import { CONFIG_FIELDS, CONFIG_NAMES, type FieldName, flagName } from "../module/config_fields.ts";
import type { Flag, ParsedFlags } from "./flags.ts";

/** A flag for each field of the configuration that is no secret. */
export function configFlags(): Flag[] {
  return CONFIG_NAMES.flatMap((name) => {
    const flag = flagName(name);
    if (flag === undefined) return [];
    const { kind, doc, fallback } = CONFIG_FIELDS[name];
    const unset = fallback === undefined || fallback === "" || fallback === false || Array.isArray(fallback);
    return [{
      name: flag,
      value: typeof fallback === "boolean" ? undefined : kind.placeholder,
      many: kind.many,
      mayBeEmpty: fallback === "" || Array.isArray(fallback),
      summary: unset ? doc : `${doc} (default ${fallback})`,
    }];
  });
}

/** What was given for those flags, by field, as `loadConfig` takes it. */
export function configValues(parsed: ParsedFlags): Partial<Record<FieldName, string | readonly string[]>> {
  const given: Partial<Record<FieldName, string | readonly string[]>> = {};
  for (const name of CONFIG_NAMES) {
    const flag = flagName(name);
    if (flag === undefined) continue;
    if (CONFIG_FIELDS[name].kind.many) {
      if (parsed.values(flag).length > 0) given[name] = parsed.values(flag);
    } else {
      const value = parsed.value(flag);
      if (value !== undefined) given[name] = value;
    }
  }
  return given;
}
