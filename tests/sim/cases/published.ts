import { countLive, publishedAcks, publishedComms } from "../../../src/sim/message_kinds.ts";
import type { SimCase } from "./case.ts";

/** Production nodes send what Pocket published, with its layers on. */
function published(nodes: number, comms: number, acks: number, quick?: number): SimCase {
  return {
    name: `published counts N=${nodes}`,
    seeds: 5,
    quick,
    bars: [
      { measure: "comms", of: "max", most: comms },
      { measure: "comms", of: "least", least: comms },
      { measure: "acks", of: "max", most: acks },
      { measure: "acks", of: "least", least: acks },
    ],
    async run(seed) {
      const kinds = await countLive(nodes, seed);
      const { tree, redundancy, questions, answers, otherAcks, depth } = kinds;
      const parts = { tree, redundancy, questions, answers, otherAcks, depth };
      return { ...parts, comms: publishedComms(kinds), acks: publishedAcks(kinds) };
    },
  };
}

/** The sizes that production nodes are run at. */
export const PUBLISHED: readonly SimCase[] = [
  published(27, 107, 56, 2),
  published(81, 323, 164, 1),
  published(243, 971, 488),
  published(729, 2_915, 1_460),
];
