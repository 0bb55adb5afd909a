// Limits how many sockets or requests are open at the same time: in total, and for each user or client.

export interface Slot {
  /** Counts the slot for a user or client. Returns false if the user or client already has the maximum. */
  assign(subjectId: string): boolean;
  /** Releases the slot. A second call does nothing. */
  leave(): void;
}

export interface Slots {
  /** Takes a slot. Returns null if no slot is left. */
  enter(): Slot | null;
  taken(): number;
}

/** Creates the counters. */
export function createSlots(totalMax: number, perSubjectMax: number): Slots {
  const subjects = new Map<string, number>();
  let taken = 0;

  function enter(): Slot | null {
    if (taken >= totalMax) return null;
    taken += 1;
    let isHeld = true;
    let subject: string | null = null;
    return {
      assign(subjectId) {
        const held = subjects.get(subjectId) ?? 0;
        if (!isHeld || subject !== null || held >= perSubjectMax) return false;
        subject = subjectId;
        subjects.set(subjectId, held + 1);
        return true;
      },
      leave() {
        if (!isHeld) return;
        isHeld = false;
        taken -= 1;
        if (subject === null) return;
        const left = (subjects.get(subject) ?? 1) - 1;
        if (left === 0) subjects.delete(subject);
        else subjects.set(subject, left);
      },
    };
  }

  return { enter, taken: () => taken };
}
