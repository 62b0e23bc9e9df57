import { ProtoReader, ProtoWriter } from "../codec/proto.ts";

/** The consensus decided a block: the staked set may be another from here on. `{ uint64 height = 1 }` */
export interface ConsensusNewHeightEvent {
  /** Tells events apart. */
  readonly type: "ConsensusNewHeightEvent";
  /** The new height. */
  readonly height: number;
}

/** The node's state machine moved. `{ string event = 1; string previous_state = 2; string new_state = 3 }` */
export interface StateMachineTransitionEvent {
  /** Tells events apart. */
  readonly type: "StateMachineTransitionEvent";
  /** What made it move. */
  readonly event: string;
  /** The state before. */
  readonly previousState: string;
  /** The state now; `P2P_Bootstrapping` is ours to act on. */
  readonly newState: string;
}

/** What the node's other modules tell this one. (Pocket's P2P module README) */
export type NodeEvent = ConsensusNewHeightEvent | StateMachineTransitionEvent;

/** The protobuf encoding of an event's fields. */
export function encodeNodeEvent(event: NodeEvent): Uint8Array {
  const out = new ProtoWriter();
  if (event.type === "ConsensusNewHeightEvent") return out.uint(1, event.height).finish();
  return out.string(1, event.event).string(2, event.previousState).string(3, event.newState).finish();
}

/** Reads an event of the given type. @throws {ProtocolError} what `ProtoReader` throws. */
export function decodeNodeEvent(type: NodeEvent["type"], bytes: Uint8Array): NodeEvent {
  const reader = new ProtoReader(bytes);
  if (type === "ConsensusNewHeightEvent") {
    let height = 0;
    for (let field = reader.next(); field !== 0; field = reader.next()) if (field === 1) height = reader.uint();
    return { type, height };
  }
  let event = "";
  let previousState = "";
  let newState = "";
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) event = reader.string();
    else if (field === 2) previousState = reader.string();
    else if (field === 3) newState = reader.string();
  }
  return { type, event, previousState, newState };
}
