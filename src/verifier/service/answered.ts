// Reads what the service answered as JSON, where anything may come in its place.

/** The members of the object that a text is, or of none: whoever asks looks at each member. */
export function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
