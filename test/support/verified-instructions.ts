// How much work the programs give the verifier of each kernel that is tested.

/** Instructions gone through as of now, with clang 19, by the kernel's line. Raise them knowingly. */
const VERIFIED_INSTRUCTIONS: Readonly<Record<string, { readonly ingress: number; readonly egress: number }>> =
  {
    "6.1": { ingress: 36_900, egress: 36_900 },
    "6.12": { ingress: 36_700, egress: 36_700 },
    "6.18": { ingress: 42_200, egress: 42_200 },
  };
const NEWEST = "6.18";
const MOST_GROWTH = 1.1;

/** The limit on a kernel by its release ("6.1.0-56-cloud-amd64"); lines that are not listed have the newest one's. */
export function mostInstructions(release: string, side: "ingress" | "egress"): number {
  const line = /^\d+\.\d+/.exec(release)?.[0] ?? "";
  const known = VERIFIED_INSTRUCTIONS[line] ?? VERIFIED_INSTRUCTIONS[NEWEST];
  if (known === undefined) throw new Error(`no limit for ${NEWEST}`);
  return Math.floor(known[side] * MOST_GROWTH);
}
