import { setTimeout as sleep } from "node:timers/promises";

/**
 * Waits about so many milliseconds: not all who lost the same daemon shall come back in the same moment. Ends early
 * when the signal is aborted.
 */
export async function pause(delay: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delay * (1 + 0.2 * Math.random()), undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
