// The pages in light colors. The two themes are files of their own, so that they run at the same time.
import t from 'tap';
import { lookAtPages } from './pages.ts';

t.test('the pages are accessible, fit a narrow screen and have no fault: light', (t) => lookAtPages(t, 'light'));
