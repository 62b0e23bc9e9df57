import { P2pError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";

/** Says what is wrong with a value, or with one element of a list. Returns nothing, for {@link Kind.read} to return. */
export type Report = (message: string, index?: number) => undefined;

/** What values a configuration field takes, wherever they come from. */
export interface Kind<T> {
  /** What stands for a value in help texts: `N`, `FILE`, `exact|classic`. */
  readonly placeholder: string;
  /** A list: flags may be repeated, text is split at commas. */
  readonly many?: boolean;
  /** What the text of a variable or flag means; text that means nothing stays text, for {@link read} to report. */
  fromText(text: string): unknown;
  /** The value in its one form, or `undefined` after saying why not. */
  read(value: unknown, report: Report): T | undefined;
}

/** A whole number from `least` to `most`. */
export function integer(least: number, most: number): Kind<number> {
  return {
    placeholder: "N",
    fromText: (text) => /^[+-]?\d{1,15}$/.test(text) ? Number(text) : text,
    read(value, report) {
      if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
      return report(`is ${show(value)}, it takes a whole number from ${least} to ${most}`);
    },
  };
}

/** What `kind` takes, or empty text for "none". */
export function orEmpty<T>(kind: Kind<T>): Kind<T | ""> {
  return {
    ...kind,
    fromText: (text) => text === "" ? "" : kind.fromText(text),
    read: (value, report) => value === "" ? "" : kind.read(value, report),
  };
}

/** A share of a whole: a number from 0 to 1. */
export const share: Kind<number> = {
  placeholder: "0..1",
  fromText: (text) => /^(\d{1,15}(\.\d{1,15})?|\.\d{1,15})$/.test(text) ? Number(text) : text,
  read(value, report) {
    if (typeof value === "number" && value >= 0 && value <= 1) return value;
    return report(`is ${show(value)}, it takes a number from 0 to 1`);
  },
};

/** `true` or `false`. */
export const boolean: Kind<boolean> = {
  placeholder: "true|false",
  fromText: (text) => text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : text,
  read(value, report) {
    if (typeof value === "boolean") return value;
    return report(`is ${show(value)}, it takes true or false`);
  },
};

/** One of a few words. */
export function choice<const T extends string>(...choices: readonly T[]): Kind<T> {
  return {
    placeholder: choices.join("|"),
    fromText: (text) => text,
    read(value, report) {
      if ((choices as readonly unknown[]).includes(value)) return value as T;
      const meant = typeof value === "string" ? didYouMean(value, choices) : "";
      return report(`is ${show(value)}, it takes ${choices.map((word) => `"${word}"`).join(" or ")}${meant}`);
    },
  };
}

/** How {@link text} reads what a person wrote. */
export interface TextOptions {
  /** What stands for it in help texts. */
  placeholder: string;
  /** Never show a value of a wrong type. @default {false} */
  secret?: boolean;
}

/** Text that `parse` brings into its one form. The message of the {@link P2pError} that `parse` throws is what people read. */
export function text<T = string>(parse: (text: string) => T, { placeholder, secret = false }: TextOptions): Kind<T> {
  return {
    placeholder,
    fromText: (given) => given,
    read(value, report) {
      if (typeof value !== "string") {
        const given = secret ? `a ${typeof value}` : show(value);
        return report(`is ${given}, it takes text${typeof value === "number" ? "; put it in quotes" : ""}`);
      }
      try {
        return parse(value);
      } catch (error) {
        if (!(error instanceof P2pError)) throw error;
        return report(error.message);
      }
    },
  };
}

/** A list of `kind`: a YAML list, or text with commas. Elements are reported by index. */
export function list<T>(kind: Kind<T>): Kind<readonly T[]> {
  return {
    placeholder: kind.placeholder,
    many: true,
    fromText: (text) => text,
    read(value, report) {
      const elements = typeof value === "string" ? split(value) : value;
      if (!Array.isArray(elements)) return report(`is ${show(value)}, it takes a list`);
      const read = elements.map((element, i) => kind.read(element, (message) => report(message, i)));
      return read.includes(undefined) ? undefined : read as T[];
    },
  };
}

function split(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

/** What {@link text}'s `parse` throws: `is "x y", it takes one word`. */
export function malformed(given: string, wanted: string): P2pError {
  return new P2pError("config_malformed", `is ${show(given)}, it takes ${wanted}`);
}

/** A value as people wrote it, cut where it is long. */
function show(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
