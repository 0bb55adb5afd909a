// Every change records one event in its own transaction. Who reads them (audit, webhooks, mail) is not known here.
import type { OrganizationTx, SystemTx, UserTx } from '../database/db.ts';

export interface NewEvent {
  readonly id: string;
  readonly type: string;
  readonly organizationId: string | null;
  readonly actorId: string | null;
  readonly targetId: string | null;
  readonly data?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

/** Writes the event; never secrets, e-mails or tokens. */
export async function record(tx: OrganizationTx | UserTx | SystemTx, event: NewEvent): Promise<void> {
  // createMany, because reading the row back would need the right to see it.
  await tx.models.event.createMany({ data: [{ ...event, data: { ...event.data } as Record<string, string> }] });
}
