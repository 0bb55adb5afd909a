// The page that proves an e-mail in light colors. The two themes are files of their own, so that they run at the same
// time.
import t from 'tap';
import { lookAtVerifyEmail } from './verify-email.ts';

t.test('every state of the page that proves an e-mail is accessible and fits a narrow screen: light', (t) =>
  lookAtVerifyEmail(t, 'light'),
);
