// The page of an invitation in dark colors. The two themes are files of their own, so that they run at the same time.
import t from 'tap';
import { lookAtInvitation } from './invitation.ts';

t.test('every state of the page of an invitation is accessible, fits a narrow screen and has no fault: dark', (t) =>
  lookAtInvitation(t, 'dark'),
);
