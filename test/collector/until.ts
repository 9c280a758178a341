// Waits for a condition, not for a time.

/** Resolves once `condition` holds; throws after `deadlineMs`. */
export async function until(condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${condition}`);
    await Bun.sleep(5);
  }
}
