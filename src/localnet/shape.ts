import { didYouMean } from "../base/suggest.ts";
import type { ConfigProblem } from "../module/config_error.ts";
import type { Kind } from "../module/config_kind.ts";

/** What a place of a document takes: reading, checking and documentation come from it. */
export interface Shape<T> {
  /** What stands for a value in the documentation. */
  readonly placeholder: string;
  /** One sentence for people. */
  readonly doc: string;
  /** The value where nothing is given; absent where something has to be. */
  readonly fallback?: T;
  /** What is inside, for the documentation: paths begin with `.` or `[]`. */
  rows(): readonly ShapeRow[];
  /** The value in its one form, or `undefined` after noting every problem in it. */
  read(value: unknown, path: string, problems: ConfigProblem[]): T | undefined;
}

/** A line of the documentation. */
export interface ShapeRow {
  /** Where. */
  readonly path: string;
  /** What. */
  readonly shape: Shape<unknown>;
}

/** One value. */
export function value<T>(kind: Kind<T>, doc: string, fallback?: T): Shape<T> {
  return {
    placeholder: kind.many ? `list of ${kind.placeholder}` : kind.placeholder,
    doc,
    fallback,
    rows: () => [],
    read: (given, path, problems) =>
      kind.read(given, (message, index) => {
        problems.push({ path: index === undefined ? path : `${path}[${index}]`, message });
        return undefined;
      }),
  };
}

/** An object with a shape for each field. Absent: all its fields have their defaults, and it has one itself. */
export function object<T extends object>(
  fields: { readonly [Name in keyof T]-?: Shape<T[Name]> },
  doc: string,
): Shape<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  const defaults = names.every((name) => fields[name].fallback !== undefined);
  return {
    placeholder: "",
    doc,
    fallback: defaults ? Object.fromEntries(names.map((name) => [name, fields[name].fallback])) as T : undefined,
    rows: () =>
      names.flatMap((name) => [
        { path: `.${name}`, shape: fields[name] as Shape<unknown> },
        ...fields[name].rows().map(({ path, shape }) => ({ path: `.${name}${path}`, shape })),
      ]),
    read(given, path, problems) {
      if (typeof given !== "object" || given === null || Array.isArray(given)) {
        problems.push({ path: path || "the file", message: `is ${kindOf(given)}, it takes fields with values` });
        return undefined;
      }
      const before = problems.length;
      const at = (name: string) => path === "" ? name : `${path}.${name}`;
      for (const name of Object.keys(given)) {
        if (Object.hasOwn(fields, name)) continue;
        problems.push({ path: at(name), message: `is not a field${didYouMean(name, names)}` });
      }
      const read: Partial<T> = {};
      for (const name of names) {
        const field = (given as Partial<Record<string, unknown>>)[name];
        if (field !== undefined) read[name] = fields[name].read(field, at(name), problems);
        else if (fields[name].fallback !== undefined) read[name] = fields[name].fallback;
        else problems.push({ path: at(name), message: "is missing" });
      }
      return problems.length === before ? read as T : undefined;
    },
  };
}

/** A list of one shape. */
export function listOf<T>(element: Shape<T>, doc: string): Shape<readonly T[]> {
  return {
    placeholder: "list",
    doc,
    fallback: [],
    rows: () => element.rows().map(({ path, shape }) => ({ path: `[]${path}`, shape })),
    read(given, path, problems) {
      if (!Array.isArray(given)) {
        problems.push({ path, message: `is ${kindOf(given)}, it takes a list` });
        return undefined;
      }
      const read = given.map((each, i) => element.read(each, `${path}[${i}]`, problems));
      return read.includes(undefined) ? undefined : read as T[];
    },
  };
}

function kindOf(given: unknown): string {
  if (given === null || given === undefined) return "empty";
  if (Array.isArray(given)) return "a list";
  return typeof given === "object" ? "an object" : `a ${typeof given}`;
}
