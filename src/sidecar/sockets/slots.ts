// How many may be open at once: in total, and for one user or client.

export interface Slot {
  /** Counts it for a user or client; false when they have as many as they may. */
  assign(subjectId: string): boolean;
  /** Gives it back; the first time counts. */
  leave(): void;
}

export interface Slots {
  /** Takes one of the total, or null when none is left. */
  enter(): Slot | null;
  taken(): number;
}

/** Makes the counters. */
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
