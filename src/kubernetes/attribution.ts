// What the cluster says of a record: attributes of both ends, and of policies. Comes in: a record's addresses. Goes out:
// lists of attributes that are made once and shared by many records. Knows nothing of how records are kept or written.

import type { NamedValues } from "../lib/named-values.ts";
import { HolderAttributes } from "./attributes.ts";
import type { FactOptions } from "./attributes-facts.ts";
import type { Directory } from "./directory.ts";
import { PROTOCOL_NUMBERS } from "./directory-claims.ts";
import {
  type AddressQuery,
  copyResolution,
  newResolution,
  type Outcome,
  type Resolution,
  SETTLE_MS,
} from "./directory-resolve.ts";
import { FlowMemory } from "./flow-memory.ts";
import type { PolicySurroundings } from "./policies-denial.ts";
import type { JudgedFlow } from "./policies-question.ts";
import { PolicyVerdict } from "./policies-verdict.ts";

/** One record to be attributed. Reused, so mutable. */
export interface AttributedRecord {
  /** Both addresses: four words each in memory order, IPv4 in ::ffff:0:0/96. */
  words: Uint32Array;
  sourceAt: number;
  destinationAt: number;
  sourcePort: number;
  destinationPort: number;
  /**
   * Where the node translates the conversation the destination is who answers, and this whom the initiator called: its
   * address in `words`, −1 where nobody translates, and its port.
   */
  calledAt: number;
  calledPort: number;
  /** The node puts another address in the place of the source's. */
  isSourceTranslated: boolean;
  /** IANA number. */
  protocol: number;
  /** The flow's first packet, ms since 1970. */
  startMs: number;
  /** Five words that no other flow has, the same in all records of this one that the same end answers. */
  readonly flowId: Uint32Array;
  /** Nothing more is told of the flow. */
  isLast: boolean;
  /** The source is taken for who began the flow: policies are about who did. */
  isInitiatorKnown: boolean;
  /** It surely is: nothing is told as denied by a guess. */
  isInitiatorSure: boolean;
}

/** What is said of a record. Reused, so mutable; the lists are not. */
export interface RecordAttributes {
  source: NamedValues | undefined;
  destination: NamedValues | undefined;
  policies: NamedValues | undefined;
}

/** Flows told more than once that are remembered at a time: as many as a large flow table has. */
const REMEMBERED_FLOWS = 131_072;

/** Attributes records by what the directory knows. */
export class Attribution {
  /** Ends of records by how their look-up ended. */
  readonly outcomes: Record<Outcome, number> = { resolved: 0, ended: 0, ambiguous: 0, unknown: 0 };
  readonly #directory: Directory;
  readonly #attributes: HolderAttributes;
  readonly #verdict: PolicyVerdict;
  readonly #memory = new FlowMemory(REMEMBERED_FLOWS);
  readonly #query: AddressQuery = {
    words: new Uint32Array(4),
    at: 0,
    port: 0,
    protocol: 0,
    startMs: 0,
    isDestination: false,
    isCaller: false,
  };
  readonly #source: Resolution = newResolution();
  readonly #destination: Resolution = newResolution();
  readonly #called: Resolution = newResolution();
  readonly #judged: JudgedFlow = {
    source: this.#source,
    destination: this.#destination,
    words: this.#query.words,
    sourceAt: 0,
    destinationAt: 0,
    destinationPort: 0,
    calledAt: -1,
    calledPort: 0,
    isSourceTranslated: false,
    isInitiatorSure: false,
    protocol: 0,
    startMs: 0,
    isSettled: false,
  };

  constructor(directory: Directory, options: FactOptions, surroundings: PolicySurroundings) {
    this.#directory = directory;
    this.#attributes = new HolderAttributes(directory, options);
    this.#verdict = new PolicyVerdict(directory, surroundings);
  }

  /** Writes into `said` what is known at `now` (ms since 1970) of `record`. */
  attribute(record: AttributedRecord, now: number, said: RecordAttributes): void {
    const known = this.#memory.get(record.flowId);
    this.#query.protocol = record.protocol;
    this.#resolve(record, "source", known?.source, now);
    this.#resolve(record, "destination", known?.destination, now);
    const isNews = known?.source.isConfirmed !== true || known.destination.isConfirmed !== true;
    const used = this.#query;
    used.port = record.sourcePort;
    said.source = this.#attributes.find("source", this.#source, used);
    used.port = record.destinationPort;
    said.destination = this.#attributes.find("destination", this.#destination, used);
    said.policies = record.isInitiatorKnown ? this.#judge(record, now) : undefined;
    if (record.isLast) {
      if (known !== undefined) this.#memory.delete(record.flowId);
    } else if (known !== undefined ? isNews : this.#isAnyKnown()) {
      this.#memory.set(record.flowId, this.#source, this.#destination);
    }
  }

  #isAnyKnown(): boolean {
    return this.#source.outcome !== "unknown" || this.#destination.outcome !== "unknown";
  }

  #resolve(
    record: AttributedRecord,
    side: "source" | "destination",
    known: Readonly<Resolution> | undefined,
    now: number,
  ): void {
    const found = side === "source" ? this.#source : this.#destination;
    if (known?.isConfirmed === true) {
      copyResolution(known, found);
    } else {
      const query = this.#query;
      query.words = record.words;
      query.at = side === "source" ? record.sourceAt : record.destinationAt;
      query.port = side === "source" ? record.sourcePort : record.destinationPort;
      query.startMs = record.startMs;
      query.isDestination = side === "destination";
      query.isCaller =
        side === "source" && record.isInitiatorSure && record.protocol === PROTOCOL_NUMBERS.TCP;
      this.#directory.resolve(query, now, found);
      if (query.isDestination && record.calledAt >= 0) this.#addCalled(record, now);
      // What held the start has been forgotten since: nothing that came later changes it, unless a reading of sockets told
      // it, which a later one has taken back.
      const isForgotten = known?.outcome === "resolved" && known.container === undefined;
      if (isForgotten && found.outcome !== "resolved") copyResolution(known, found);
    }
    this.outcomes[found.outcome]++;
  }

  /** Adds the Service that was called to who answers; where nobody knows who answers, whom the address called is of. */
  #addCalled(record: AttributedRecord, now: number): void {
    const query = this.#query;
    query.at = record.calledAt;
    query.port = record.calledPort;
    const called = this.#called;
    this.#directory.resolve(query, now, called);
    const found = this.#destination;
    const isConfirmed = found.isConfirmed && called.isConfirmed;
    if (found.holder === undefined && found.outcome !== "ambiguous") copyResolution(called, found);
    else found.service = called.holder?.told.kind === "Service" ? called.holder : called.service;
    found.isConfirmed = isConfirmed;
  }

  #judge(record: AttributedRecord, now: number): NamedValues | undefined {
    const judged = this.#judged;
    judged.words = record.words;
    judged.sourceAt = record.sourceAt;
    judged.destinationAt = record.destinationAt;
    judged.destinationPort = record.destinationPort;
    judged.calledAt = record.calledAt;
    judged.calledPort = record.calledPort;
    judged.isSourceTranslated = record.isSourceTranslated;
    judged.isInitiatorSure = record.isInitiatorSure;
    judged.protocol = record.protocol;
    judged.startMs = record.startMs;
    judged.isSettled = now >= record.startMs + SETTLE_MS;
    return this.#verdict.find(judged);
  }
}
