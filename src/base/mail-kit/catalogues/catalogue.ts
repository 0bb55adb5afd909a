// The form of a catalogue: every language has exactly the texts that English has. A missing text does not compile.
import type { en } from './en.ts';

export type MailTexts = typeof en;
