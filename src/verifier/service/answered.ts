// Reads a JSON answer of the service, and does not trust its content.

/** The members of a JSON object; none if the text is not a JSON object. The caller checks each member. */
export function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
